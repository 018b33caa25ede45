#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the shell completions from what threatlistctl itself says of its commands: its help is its table.

    packaging/completion/generate.py build/threatlistctl [FOLDER]       FOLDER: packaging/completion
"""

import pathlib
import re
import subprocess
import sys

BASH = """\
# SPDX-License-Identifier: GPL-3.0-or-later
# bash completion for threatlistctl; made by packaging/completion/generate.py, "make completion"

_threatlistctl() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command="" words i

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | -S) ((i++)) ;;
		-*) ;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	case $previous in
	@VALUES@
	-c | -S@FILES@) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
	esac
	case $command in
	"") words="-c -S --json --help --version @COMMANDS@" ;;
	@OPTIONS@
	*) words="" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	case $command in
	@TAKE_FILES@)
		[[ $current == -* ]] || mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	esac
}
complete -o filenames -F _threatlistctl threatlistctl
"""

ZSH = """\
#compdef threatlistctl
# SPDX-License-Identifier: GPL-3.0-or-later
# zsh completion for threatlistctl; made by packaging/completion/generate.py, "make completion"

local -a commands
commands=(
@DESCRIBED@
)

_arguments -C '-c[config file]:file:_files' '-S[control socket]:file:_files' \\
	'1:command:->command' '*::argument:->argument' && return
case $state in
command) _describe command commands ;;
argument)
	case $words[1] in
@ARGUMENTS@
	esac
	;;
esac
"""


def said(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout


def usage_lines(text):
    """The usage: lines and what continues them; prose begins at the first column."""
    lines = []
    for line in text.splitlines():
        if not line.startswith(("usage:", " ")) or re.match(r" {2}-", line):
            break
        lines.append(line)
    return " ".join(lines)


def read_table(program):
    """[(name, help, {option: values or None}, words, takes files)]"""
    table = []
    for name, text in re.findall(r"^  ([a-z]+) +(.+)$", said(program, "--help"), re.M):
        usage = usage_lines(said(program, name, "--help"))
        options = {option: value for option, value in re.findall(r"(--[a-z]+)(?: ([A-Za-z|]+))?", usage)}
        options["--help"] = ""
        plain = re.sub(r"--[a-z]+(?: [A-Za-z|]+)?", "", usage.split(name, 1)[1])
        words = [word for choice in re.findall(r"[a-z]+(?:\|[a-z]+)+", plain) for word in choice.split("|")]
        table.append((name, text, options, words, bool(re.search(r"\b(FILE|CAPTURE)\b", plain))))
    return table


def bash(table):
    values, files = {}, set()
    for _, _, options, _, _ in table:
        for option, value in options.items():
            if "|" in value:
                values[option] = value.replace("|", " ")
            elif value == "FILE":
                files.add(option)
    values_text = "\n\t".join(f'{option}) mapfile -t COMPREPLY < <(compgen -W "{text}" -- "$current"); return ;;'
                              for option, text in sorted(values.items()))
    options_text = "\n\t".join(f'{name}) words="{" ".join([*sorted(options), *words])}" ;;'
                               for name, _, options, words, _ in table)
    return (BASH.replace("@VALUES@", values_text).replace("@OPTIONS@", options_text)
            .replace("@FILES@", "".join(f" | {option}" for option in sorted(files)))
            .replace("@COMMANDS@", " ".join(name for name, *_ in table))
            .replace("@TAKE_FILES@", " | ".join(name for name, *_, takes in table if takes)))


def zsh_option(option, value):
    if "|" in value:
        return f"'{option}:{option[2:]}:({value.replace('|', ' ')})'"
    if value == "FILE":
        return f"'*{option}:file:_files'"
    return f"'{option}:{value.lower()}:'" if value else option


def zsh(table):
    described = "\n".join("\t'{}:{}'".format(name, text.replace(":", "\\:").replace("'", ""))
                          for name, text, *_ in table)
    arguments = []
    for name, _, options, words, takes in table:
        parts = [zsh_option(option, value) for option, value in sorted(options.items())]
        if words:
            parts.append(f"'1:argument:({' '.join(words)})'")
        if takes:
            parts.append("'*:file:_files'")
        arguments.append(f"\t{name}) _arguments {' '.join(parts)} ;;")
    return ZSH.replace("@DESCRIBED@", described).replace("@ARGUMENTS@", "\n".join(arguments))


def main():
    program = sys.argv[1]
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parent)
    table = read_table(str(pathlib.Path(program).resolve()))
    (folder / "threatlistctl.bash").write_text(bash(table))
    (folder / "_threatlistctl").write_text(zsh(table))


if __name__ == "__main__":
    main()
