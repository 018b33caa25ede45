/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "aws/guardduty.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cjson/cJSON.h>

#define ANSWER_MAX	(256u << 10)	/* bytes; 50 ids are 2 KB, one set less */
#define PAGES_MAX	8		/* of one kind; GuardDuty allows 6 lists, a page has 50 */
#define PATH_MAX_BYTES	256
#define QUERY_MAX	(3 * PAGE_TOKEN_MAX + 64)
#define ID_LETTERS	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

static const struct {
	const char *path, *ids, *noun;	/* as in ListNOUNs, GetNOUN */
} kinds[SET_KIND_END] = {
	[SET_THREAT_INTEL] = { "threatintelset", "threatIntelSetIds", "ThreatIntelSet" },
	[SET_IP] = { "ipset", "ipSetIds", "IPSet" },
	[SET_THREAT_ENTITY] = { "threatentityset", "threatEntitySetIds", "ThreatEntitySet" },
	[SET_TRUSTED_ENTITY] = { "trustedentityset", "trustedEntitySetIds", "TrustedEntitySet" },
};

/* One discovery on its way. */
struct discovery {
	struct aws *aws;
	const struct aws_transport *via;
	const struct discovery_ask *ask;
	struct discovery_end *end;
	discovery_set_fn *found;
	void *arg;
	size_t nfound;
	struct id_page page;
	char tokens[PAGES_MAX][PAGE_TOKEN_MAX];
	struct set_table sets;		/* of the kind that is being read */
};

static void __attribute__((format(printf, 3, 4)))
say(char *to, size_t size, const char *fmt, ...)
{
	size_t n = strlen(to);
	va_list args;

	if (n > 0 && n + 2 < size) {
		memcpy(to + n, "; ", 3);
		n += 2;
	}
	va_start(args, fmt);
	vsnprintf(to + n, size - n, fmt, args);
	va_end(args);
}

/* GET of a path.  False: the end's reason has it. */
static bool
get(struct discovery *discovery, const char *operation, const char *path, const char *query,
    struct aws_answer *answer)
{
	const struct aws_request request = {
		.service = AWS_GUARDDUTY, .region = discovery->ask->region, .method = "GET",
		.path = path, .query = query, .max_bytes = ANSWER_MAX,
		.ca_file = discovery->ask->ca_file,
	};
	struct discovery_end *end = discovery->end;
	enum aws_outcome outcome;

	discovery->end->calls++;
	outcome = aws_call_insist(discovery->aws, discovery->via, &request, answer);
	if (outcome == AWS_OK)
		return true;
	if (answer->http.retry_after_s > end->retry_after_s)
		end->retry_after_s = answer->http.retry_after_s;
	if (outcome == AWS_DENIED && aws_refusal_kind(&answer->refusal) == REFUSAL_OTHER)
		say(end->reason, sizeof(end->reason), "allow guardduty:%s to this host's role "
		    "(%.200s)", operation, answer->text);
	else
		say(end->reason, sizeof(end->reason), "%s: %.240s", operation, answer->text);
	return false;
}

static const char *
text_of(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

/* False: it does not fit, or is not printable. */
static bool
take(char *to, size_t size, const char *from)
{
	size_t len = from != NULL ? strlen(from) : size, i;

	if (len >= size)
		return false;
	for (i = 0; i < len; i++) {
		if (from[i] < ' ' || from[i] > '~')
			return false;
	}
	memcpy(to, from, len + 1);
	return true;
}

bool
guardduty_read_page(struct id_page *page, const char *name, const char *json, size_t size)
{
	cJSON *object = cJSON_ParseWithLength(json, size);
	const cJSON *ids = cJSON_GetObjectItemCaseSensitive(object, name), *id;
	const cJSON *token = cJSON_GetObjectItemCaseSensitive(object, "nextToken");
	bool good = cJSON_IsArray(ids);

	page->n = 0;
	page->token[0] = '\0';
	cJSON_ArrayForEach(id, ids) {
		char *to = page->ids[page->n];

		good = good && page->n < PAGE_IDS && take(to, SET_ID_MAX, cJSON_GetStringValue(id)) &&
		    to[0] != '\0' && strspn(to, ID_LETTERS) == strlen(to);
		if (!good)
			break;
		page->n++;
	}
	if (cJSON_IsString(token))
		good = good && take(page->token, sizeof(page->token), token->valuestring);
	else
		good = good && (token == NULL || cJSON_IsNull(token));
	cJSON_Delete(object);
	return good;
}

/*
 * A location, in printable ASCII: what else a key holds is percent-encoded, which
 * s3:// does not know, so that becomes a URL that means the same.
 */
static bool
take_location(char to[static SET_LOCATION_MAX], const char *from)
{
	bool literal = from != NULL && strncasecmp(from, "s3://", 5) == 0;
	size_t n;

	if (from == NULL || take(to, SET_LOCATION_MAX, from))
		return from != NULL;
	n = (size_t)sprintf(to, "%s", literal ? "https://s3.amazonaws.com/" : "");
	for (from += literal ? 5 : 0; *from != '\0' && n + 4 < SET_LOCATION_MAX; from++) {
		unsigned char c = (unsigned char)*from;

		if (c < ' ' || c == 0x7f)
			return false;
		if (c >= 0x80 || (literal && strchr("%?#", *from) != NULL))
			n += (size_t)sprintf(to + n, "%%%02X", (unsigned int)c);
		else
			to[n++] = *from;
	}
	to[n] = '\0';
	return *from == '\0';
}

static void
make_printable(char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
}

bool
guardduty_read_set(struct threat_set *set, char error[static DISCOVERY_REASON_MAX],
    const char *json, size_t size)
{
	cJSON *object = cJSON_ParseWithLength(json, size);
	const char *name = text_of(object, "name"), *status = text_of(object, "status");
	const char *format = text_of(object, "format"), *owner = text_of(object, "expectedBucketOwner");
	const char *details = text_of(object, "errorDetails");
	bool good = name != NULL && name[0] != '\0' && status != NULL && format != NULL &&
	    take_location(set->location, text_of(object, "location")) &&
	    take(set->owner, sizeof(set->owner), owner != NULL ? owner : "");
	size_t i;

	error[0] = '\0';
	if (good) {
		set_name_make(set->name, name, set->id);
		set->state = (uint8_t)set_state_of(status);
		/* a word longer than any of ours is left to detection */
		if (!take(set->format, sizeof(set->format), format))
			memcpy(set->format, "auto", 5);
		for (i = 0; set->format[i] != '\0'; i++) {
			if (set->format[i] >= 'A' && set->format[i] <= 'Z')
				set->format[i] |= 0x20;
		}
		if (strcmp(status, "ERROR") == 0)
			snprintf(error, DISCOVERY_REASON_MAX, "%.200s", details != NULL ? details :
			    "no details");
		make_printable(error);
	}
	cJSON_Delete(object);
	return good && set_is_good(set);
}

static size_t
encode(char *to, const char *text)
{
	static const char plain[] = ID_LETTERS ".~";
	char *at = to;

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL)
			*at++ = *text;
		else
			at += sprintf(at, "%%%02X", (unsigned int)(unsigned char)*text);
	}
	*at = '\0';
	return (size_t)(at - to);
}

/* One page; n of them were read before.  False: the end's reason has it. */
static bool
get_page(struct discovery *discovery, const char *operation, const char *path, const char *ids,
    size_t n)
{
	struct discovery_end *end = discovery->end;
	char query[QUERY_MAX] = "maxResults=50&nextToken=";
	struct aws_answer answer;
	bool good;
	size_t i;

	if (n == 0)
		query[strcspn(query, "&")] = '\0';
	else
		encode(query + strlen(query), discovery->tokens[n - 1]);
	good = get(discovery, operation, path, query, &answer);
	if (good && !guardduty_read_page(&discovery->page, ids, answer.http.body,
	    answer.http.body_size)) {
		good = false;
		say(end->reason, sizeof(end->reason), "%s: the answer is not one of GuardDuty's",
		    operation);
	}
	aws_answer_free(&answer);
	if (!good || discovery->page.token[0] == '\0')
		return good;
	for (i = 0; i < n; i++) {
		if (strcmp(discovery->tokens[i], discovery->page.token) == 0) {
			say(end->reason, sizeof(end->reason), "%s: the same page comes again",
			    operation);
			return false;
		}
	}
	if (n + 1 == PAGES_MAX) {
		say(end->reason, sizeof(end->reason), "%s: more than %d pages", operation,
		    PAGES_MAX);
		return false;
	}
	memcpy(discovery->tokens[n], discovery->page.token, sizeof(discovery->tokens[n]));
	return true;
}

static bool
find_detector(struct discovery *discovery)
{
	struct discovery_end *end = discovery->end;
	const char *wanted = discovery->ask->detector;
	struct aws_site site = { .region = "" };
	char reason[IMDS_REASON_MAX];

	if (wanted != NULL) {
		if (strlen(wanted) < sizeof(end->detector) &&
		    strspn(wanted, ID_LETTERS) == strlen(wanted)) {
			memcpy(end->detector, wanted, strlen(wanted) + 1);
			return true;
		}
		say(end->reason, sizeof(end->reason), "detector is no id of GuardDuty");
		return false;
	}
	/* one detector a region: the first page has it */
	if (!get_page(discovery, "ListDetectors", "/detector", "detectorIds", 0))
		return false;
	if (discovery->page.n > 0 && take(end->detector, sizeof(end->detector),
	    discovery->page.ids[0]))
		return true;
	aws_site(discovery->aws, &site, reason);
	say(end->reason, sizeof(end->reason), "GuardDuty has no detector in region %.40s: enable "
	    "it there, or set region", discovery->ask->region != NULL ? discovery->ask->region :
	    site.region);
	return false;
}

/* What GuardDuty says of one set.  False: the end's reason has it. */
static bool
get_set(struct discovery *discovery, enum set_kind kind, const char *id)
{
	struct discovery_end *end = discovery->end;
	struct threat_set *set = &discovery->sets.sets[discovery->sets.n];
	char path[PATH_MAX_BYTES], operation[32], error[DISCOVERY_REASON_MAX];
	struct aws_answer answer;
	bool good;

	if (discovery->nfound + discovery->sets.n == SETS_MAX) {
		say(end->reason, sizeof(end->reason), "more than %d lists", SETS_MAX);
		return false;
	}
	memset(set, 0, sizeof(*set));
	set->kind = (uint8_t)kind;
	snprintf(set->id, sizeof(set->id), "%s", id);
	snprintf(operation, sizeof(operation), "Get%s", kinds[kind].noun);
	snprintf(path, sizeof(path), "/detector/%s/%s/%s", end->detector, kinds[kind].path, id);
	good = get(discovery, operation, path, NULL, &answer);
	if (good) {
		good = guardduty_read_set(set, error, answer.http.body, answer.http.body_size);
		if (!good)
			say(end->reason, sizeof(end->reason), "%s: the answer is not one of "
			    "GuardDuty's", operation);
		else if (error[0] != '\0')
			say(end->note, sizeof(end->note), "GuardDuty cannot use %s %s: %.200s",
			    set_kind_text(kind), set->name, error);
	}
	aws_answer_free(&answer);
	if (good)
		discovery->sets.n++;
	return good;
}

/* All sets of a kind, or none of them. */
static bool
read_kind(struct discovery *discovery, enum set_kind kind)
{
	char path[PATH_MAX_BYTES], operation[32];
	size_t pages = 0, i;

	discovery->sets.n = 0;
	snprintf(operation, sizeof(operation), "List%ss", kinds[kind].noun);
	snprintf(path, sizeof(path), "/detector/%s/%s", discovery->end->detector,
	    kinds[kind].path);
	do {
		if (!get_page(discovery, operation, path, kinds[kind].ids, pages++))
			return false;
		for (i = 0; i < discovery->page.n; i++) {
			if (!get_set(discovery, kind, discovery->page.ids[i]))
				return false;
		}
	} while (discovery->page.token[0] != '\0');
	return true;
}

static bool
is_wanted(const struct discovery_ask *ask, enum set_kind kind)
{
	return (ask->trusted || set_kind_role(kind) == LIST_THREAT) &&
	    (ask->entities || kind < SET_THREAT_ENTITY);
}

void
guardduty_discover(struct aws *aws, const struct aws_transport *via,
    const struct discovery_ask *ask, discovery_set_fn *found, void *arg, struct discovery_end *end)
{
	struct discovery *discovery = calloc(1, sizeof(*discovery));
	enum set_kind kind;
	size_t i;

	memset(end, 0, sizeof(*end));
	if (discovery == NULL) {
		say(end->reason, sizeof(end->reason), "out of memory");
		return;
	}
	*discovery = (struct discovery){ .aws = aws, .via = via, .ask = ask, .end = end };
	end->listed = find_detector(discovery);
	for (kind = 0; kind < SET_KIND_END && end->listed; kind++) {
		if (!is_wanted(ask, kind))
			continue;
		if (!read_kind(discovery, kind)) {
			end->failed |= 1u << kind;
			continue;
		}
		for (i = 0; i < discovery->sets.n; i++)
			found(&discovery->sets.sets[i], arg);
		discovery->nfound += discovery->sets.n;
	}
	free(discovery);
}
