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
	--layers) mapfile -t COMPREPLY < <(compgen -W "outer decap all" -- "$current"); return ;;
	--scope) mapfile -t COMPREPLY < <(compgen -W "public any" -- "$current"); return ;;
	-c | -S | --list | --trusted) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
	esac
	case $command in
	"") words="-c -S --json --help --version status check lists findings show metrics refresh accept enforce isolate confirm plan verify panic resume purge parse replay" ;;
	status) words="--check --help --json" ;;
	check) words="--help --json --list --scope --trusted" ;;
	lists) words="--help --json" ;;
	findings) words="--help --json --since --undelivered" ;;
	show) words="--help --json" ;;
	metrics) words="--help" ;;
	refresh) words="--discover --help" ;;
	accept) words="--help" ;;
	enforce) words="--confirm --help drop watch" ;;
	isolate) words="--confirm --help --lasting on off" ;;
	confirm) words="--help" ;;
	plan) words="--help --json" ;;
	verify) words="--help --json" ;;
	panic) words="--help" ;;
	resume) words="--help" ;;
	purge) words="--help" ;;
	parse) words="--format --help --json --scope --trusted" ;;
	replay) words="--help --layers --list --local --packets --scope --trusted" ;;
	*) words="" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
	case $command in
	parse | replay)
		[[ $current == -* ]] || mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	esac
}
complete -o filenames -F _threatlistctl threatlistctl
