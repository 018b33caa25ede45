/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The grammar is flat enough for one loop: inside and outside of brackets,
 * operands and operators take turns, parentheses are counted.  Reading and taking
 * are the same walk, so that nothing is kept in between.
 */
#include "core/stix_pattern.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum token {
	TOKEN_END,
	TOKEN_WRONG,
	TOKEN_WORD,		/* names, paths, keywords, numbers */
	TOKEN_STRING,
	TOKEN_EQUAL,
	TOKEN_COMPARE,		/* != < <= > >= */
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_BRACKET,
	TOKEN_BRACKET_END,
	TOKEN_COMMA,
};

struct walk {
	const char *at, *end;
	enum token token;
	const char *text;	/* of the token; a string's without its quotes */
	size_t len;
	struct stix_pattern *pattern;	/* NULL: values are taken */
	bool about_known;	/* pattern->skip is set */
	bool domains;		/* values are those of domain names */
	stix_value_fn *take;
	void *arg;
	int error;		/* of take */
};

static const char wrong_pattern[] = "not a STIX pattern";
static const char wrong_operator[] = "compared by an operator other than =, IN and ISSUBSET";
static const char wrong_negated[] = "negated, so it names what is no threat";

static bool
is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '-' || c == '_' || c == ':' || c == '.' || c == '*' || c == '+';
}

/* From behind the opening quote; NULL: never closed. */
static const char *
end_of_string(const char *at, const char *end)
{
	for (; at < end && *at != '\''; at++) {
		if (*at == '\\')
			at++;
	}
	return at < end ? at : NULL;
}

/* A word, with quoted steps ('SHA-256') and indexes ([0]) if it is a path. */
static void
scan_word(struct walk *walk)
{
	const char *at = walk->at, *stop;

	walk->token = TOKEN_WORD;
	walk->text = at;
	while (at < walk->end) {
		if (is_word_char(*at)) {
			at++;
		} else if (*at == '\'' && at > walk->text && at[-1] == '.') {
			stop = end_of_string(at + 1, walk->end);
			if (stop == NULL) {
				walk->token = TOKEN_WRONG;
				return;
			}
			at = stop + 1;
		} else if (*at == '[' && at > walk->text && walk->end - at > 2 &&
		    memchr(walk->text, ':', (size_t)(at - walk->text)) != NULL) {
			stop = memchr(at, ']', (size_t)(walk->end - at));
			if (stop == NULL)
				break;
			at = stop + 1;
		} else {
			break;
		}
	}
	walk->len = (size_t)(at - walk->text);
	walk->at = at;
}

static void
scan_string(struct walk *walk)
{
	const char *stop = end_of_string(walk->at + 1, walk->end);

	if (stop == NULL) {
		walk->token = TOKEN_WRONG;
		return;
	}
	walk->token = TOKEN_STRING;
	walk->text = walk->at + 1;
	walk->len = (size_t)(stop - walk->text);
	walk->at = stop + 1;
}

static void
scan_sign(struct walk *walk)
{
	static const struct {
		const char *text;
		enum token token;
	} signs[] = {
		{ "==", TOKEN_EQUAL }, { "=", TOKEN_EQUAL }, { "!=", TOKEN_COMPARE },
		{ "<>", TOKEN_COMPARE }, { "<=", TOKEN_COMPARE }, { ">=", TOKEN_COMPARE },
		{ "<", TOKEN_COMPARE }, { ">", TOKEN_COMPARE }, { "(", TOKEN_OPEN },
		{ ")", TOKEN_CLOSE }, { "[", TOKEN_BRACKET }, { "]", TOKEN_BRACKET_END },
		{ ",", TOKEN_COMMA },
	};
	size_t i;

	walk->token = TOKEN_WRONG;
	for (i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		walk->len = strlen(signs[i].text);
		if ((size_t)(walk->end - walk->at) >= walk->len &&
		    memcmp(walk->at, signs[i].text, walk->len) == 0) {
			walk->token = signs[i].token;
			walk->text = walk->at;
			walk->at += walk->len;
			return;
		}
	}
}

static void
next(struct walk *walk)
{
	const char *at;

	while (walk->at < walk->end && strchr(" \t\r\n", *walk->at) != NULL && *walk->at != '\0')
		walk->at++;
	at = walk->at;
	if (at == walk->end) {
		walk->token = TOKEN_END;
	} else if (*at == '\'') {
		scan_string(walk);
	} else if (walk->end - at > 1 && at[1] == '\'' && strchr("thb", *at) != NULL &&
	    *at != '\0') {
		walk->at++;
		scan_string(walk);
	} else if (is_word_char(*at)) {
		scan_word(walk);
	} else {
		scan_sign(walk);
	}
}

static bool
is_word(const struct walk *walk, const char *word)
{
	return walk->token == TOKEN_WORD && walk->len == strlen(word) &&
	    strncasecmp(walk->text, word, walk->len) == 0;
}

static bool
is_path(const struct walk *walk)
{
	return walk->token == TOKEN_WORD && memchr(walk->text, ':', walk->len) != NULL;
}

static bool
is_address_path(const struct walk *walk)
{
	return is_word(walk, "ipv4-addr:value") || is_word(walk, "ipv6-addr:value") ||
	    is_word(walk, "network-traffic:src_ref.value") ||
	    is_word(walk, "network-traffic:dst_ref.value");
}

/* Is it one whose values are wanted? */
static bool
is_wanted_path(const struct walk *walk)
{
	return walk->domains ? is_word(walk, "domain-name:value") : is_address_path(walk);
}

/* What a pattern is about goes by its first path. */
static void
note_about(struct walk *walk)
{
	static const struct {
		const char *type;
		enum format_skip skip;
	} types[] = {
		{ "domain-name:", FORMAT_SKIP_DOMAIN }, { "url:", FORMAT_SKIP_URL }, { "file:", FORMAT_SKIP_HASH },
		{ "email-addr:", FORMAT_SKIP_EMAIL }, { "email-message:", FORMAT_SKIP_EMAIL },
	};
	size_t i;

	if (walk->pattern == NULL || walk->about_known)
		return;
	walk->about_known = true;
	walk->pattern->skip = FORMAT_SKIP_OTHER;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (walk->len > strlen(types[i].type) &&
		    strncasecmp(walk->text, types[i].type, strlen(types[i].type)) == 0)
			walk->pattern->skip = types[i].skip;
	}
}

/* One literal; of an address it is counted or handed out. */
static const char *
read_literal(struct walk *walk, bool address)
{
	if (walk->token != TOKEN_STRING && (walk->token != TOKEN_WORD || is_path(walk)))
		return wrong_pattern;
	if (address && walk->token != TOKEN_STRING)
		return "compared with something other than text";
	if (address && walk->pattern != NULL)
		walk->pattern->values++;
	else if (address && walk->error == 0)
		walk->error = walk->take(walk->text, walk->len, walk->arg);
	next(walk);
	return NULL;
}

static const char *
read_set(struct walk *walk, bool address)
{
	const char *wrong;

	if (walk->token != TOKEN_OPEN)
		return wrong_pattern;
	do {
		next(walk);
		wrong = read_literal(walk, address);
		if (wrong != NULL)
			return wrong;
	} while (walk->token == TOKEN_COMMA);
	if (walk->token != TOKEN_CLOSE)
		return wrong_pattern;
	next(walk);
	return NULL;
}

/* PATH [NOT] OPERATOR LITERAL; the token is its path. */
static const char *
read_comparison(struct walk *walk)
{
	bool address = is_wanted_path(walk), negated, set, taken, known;

	note_about(walk);
	next(walk);
	negated = is_word(walk, "NOT");
	if (negated)
		next(walk);
	if (walk->token == TOKEN_COMPARE && walk->text[0] != '<' && walk->text[0] != '>')
		negated = true;
	if (walk->token == TOKEN_COMPARE && walk->len == 2 && walk->text[1] == '>')
		negated = true;
	set = is_word(walk, "IN");
	taken = set || walk->token == TOKEN_EQUAL || is_word(walk, "ISSUBSET");
	known = taken || walk->token == TOKEN_COMPARE || is_word(walk, "ISSUPERSET") ||
	    is_word(walk, "LIKE") || is_word(walk, "MATCHES");
	if (!known)
		return wrong_pattern;
	if (address && negated)
		return wrong_negated;
	if (address && !taken)
		return wrong_operator;
	next(walk);
	return set ? read_set(walk, address) : read_literal(walk, address);
}

/* EXISTS PATH */
static const char *
read_exists(struct walk *walk)
{
	next(walk);
	if (!is_path(walk))
		return wrong_pattern;
	if (is_wanted_path(walk))
		return wrong_operator;
	note_about(walk);
	next(walk);
	return NULL;
}

/* What an observation expression may be qualified by: WITHIN, REPEATS, START, STOP. */
static bool
is_qualifier(const struct walk *walk)
{
	static const char *const words[] = { "WITHIN", "SECONDS", "REPEATS", "TIMES", "START",
	    "STOP" };
	size_t i;

	if (walk->token == TOKEN_STRING)
		return true;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (is_word(walk, words[i]))
			return true;
	}
	return walk->token == TOKEN_WORD && walk->text[0] >= '0' && walk->text[0] <= '9';
}

/* Where the walk stands between two tokens. */
struct place {
	bool inside;		/* of brackets */
	bool want;		/* an operand comes next, not an operator */
	size_t open, outside;	/* parentheses: here, and around the brackets */
};

static const char *
turn_bracket(struct walk *walk, struct place *place)
{
	if (walk->token == TOKEN_BRACKET) {
		if (place->inside || !place->want)
			return wrong_pattern;
		place->outside = place->open;
		place->open = 0;
	} else {
		if (!place->inside || place->want || place->open > 0)
			return wrong_pattern;
		place->open = place->outside;
	}
	place->inside = !place->inside;
	next(walk);
	return NULL;
}

static const char *
turn_parenthesis(struct walk *walk, struct place *place)
{
	bool opens = walk->token == TOKEN_OPEN;

	if (opens != place->want || (!opens && place->open == 0))
		return wrong_pattern;
	place->open += opens ? 1 : (size_t)-1;
	next(walk);
	return NULL;
}

static const char *
step(struct walk *walk, struct place *place)
{
	if (walk->token == TOKEN_BRACKET || walk->token == TOKEN_BRACKET_END)
		return turn_bracket(walk, place);
	if (walk->token == TOKEN_OPEN || walk->token == TOKEN_CLOSE)
		return turn_parenthesis(walk, place);
	if (place->want && is_word(walk, "NOT"))
		return wrong_negated;
	if (place->want && place->inside && (is_path(walk) || is_word(walk, "EXISTS"))) {
		place->want = false;
		return is_path(walk) ? read_comparison(walk) : read_exists(walk);
	}
	if (!place->want && (is_word(walk, "AND") || is_word(walk, "OR") ||
	    (!place->inside && is_word(walk, "FOLLOWEDBY"))))
		place->want = true;
	else if (place->want || place->inside || !is_qualifier(walk))
		return wrong_pattern;
	next(walk);
	return NULL;
}

static const char *
walk_all(struct walk *walk)
{
	struct place place = { .want = true };
	const char *wrong = NULL;

	next(walk);
	while (wrong == NULL && walk->error == 0 && walk->token != TOKEN_END)
		wrong = walk->token == TOKEN_WRONG ? wrong_pattern : step(walk, &place);
	if (wrong == NULL && walk->error == 0 && (place.want || place.inside || place.open > 0))
		wrong = wrong_pattern;
	return wrong;
}

const char *
stix_pattern_read(struct stix_pattern *pattern, const char *text, size_t len)
{
	struct walk walk = { .at = text, .end = text + len, .pattern = pattern };

	memset(pattern, 0, sizeof(*pattern));
	return walk_all(&walk);
}

int
stix_pattern_take(const char *text, size_t len, stix_value_fn *take, void *arg)
{
	struct walk walk = { .at = text, .end = text + len, .take = take, .arg = arg };

	walk_all(&walk);
	return walk.error;
}

int
stix_pattern_take_domains(const char *text, size_t len, stix_value_fn *take, void *arg)
{
	struct walk walk = { .at = text, .end = text + len, .domains = true, .take = take,
	    .arg = arg };

	walk_all(&walk);
	return walk.error;
}
