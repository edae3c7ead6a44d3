/** What each shell runs to complete a command line: it asks `godwit __complete`, which knows. */

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** How to switch it on, for `godwit completion --help`. */
export const SWITCH_ON: Readonly<Record<Shell, string>> = {
  bash: 'source <(godwit completion bash)                            # in ~/.bashrc',
  zsh: 'source <(godwit completion zsh)                             # in ~/.zshrc, behind compinit',
  fish: 'godwit completion fish > ~/.config/fish/completions/godwit.fish',
}

// Bash takes : and = for borders of words and replaces only what is behind the last: what stands before is cut off.
const bash = `_godwit_complete() {
  local line=\${COMP_LINE:0:COMP_POINT} current=\${COMP_WORDS[COMP_CWORD]} typed before candidate text
  typed=\${line##*[[:space:]]}
  before=\${typed%"$current"}
  COMPREPLY=()
  while IFS= read -r candidate; do
    text=\${candidate%%$'\\t'*}
    if [[ $text == :files ]]; then
      compopt -o default
    else
      printf -v text '%q' "\${text#"$before"}"
      COMPREPLY+=("$text")
    fi
  done < <("\${COMP_WORDS[0]}" __complete -- "\${line#*[[:space:]]}" 2>/dev/null)
}
complete -F _godwit_complete godwit
`

const zsh = `#compdef godwit
_godwit() {
  local line text description
  local -a candidates
  for line in "\${(@f)$(godwit __complete -- "\${(j: :)words[2,CURRENT]}" 2>/dev/null)}"; do
    text=\${line%%$'\\t'*}
    description=\${line#*$'\\t'}
    if [[ $text == :files ]]; then
      _files
    elif [[ -n $text ]]; then
      candidates+=("\${text//:/\\\\:}:$description")
    fi
  done
  (( \${#candidates} )) && _describe godwit candidates
}
compdef _godwit godwit
`

const fish = `function __godwit_complete
  set -l line (string replace --regex '^\\S+\\s+' '' -- (commandline --cut-at-cursor --current-process))
  for candidate in (godwit __complete -- "$line" 2>/dev/null)
    if test "$candidate" = :files
      __fish_complete_path (commandline --current-token)
    else
      echo $candidate
    end
  end
end
complete --command godwit --no-files --arguments '(__godwit_complete)'
`

export const COMPLETION_SCRIPTS: Readonly<Record<Shell, string>> = { bash, zsh, fish }
