"""Shell completion: from the scripts' parsers to one static file for bash, zsh or fish.

What the shell knows is what the parsers knew when the file was written; nothing runs at each TAB.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sie.cli.parser import actions_of, is_shown

PYTHONS = ("python", "python3", "python3.11")
"""Commands that scripts are run with; a shell looks at the name behind the last slash."""

_DEFAULT = re.compile(r" \(default.*?\)")


@dataclass(frozen=True)
class Option:
    """One option of a script.

    Attributes
    ----------
    names : tuple of str
        With their dashes.
    about : str
        One line.
    value : str
        What the value is called; empty for a flag.
    choices : tuple of str
        The values, where they are known.
    is_path : bool
        Whether the value is a file or a folder.
    """

    names: tuple[str, ...]
    about: str
    value: str = ""
    choices: tuple[str, ...] = ()
    is_path: bool = False


def options_of(parser: argparse.ArgumentParser) -> list[Option]:
    """Return the options of a parser that --help shows, --help among them."""
    formatter = argparse.HelpFormatter(parser.prog)
    found = [Option(("-h", "--help"), "show all options and examples")]
    for action in actions_of(parser):
        if not action.option_strings or not is_shown(action):
            continue
        about = _DEFAULT.sub("", formatter._expand_help(action) if action.help else "")
        value = "" if action.nargs == 0 else str(action.metavar or action.dest)
        choices = tuple(str(choice) for choice in action.choices or ())
        is_path = action.type is Path or "FOLDER" in value or "YAML" in value
        found.append(Option(tuple(action.option_strings), about, value, choices, is_path))
    return found


def completion(shell: str, scripts: Mapping[str, Sequence[Option]]) -> str:
    """Return the file that a shell reads.

    Parameters
    ----------
    shell : str
        One of `SHELLS`.
    scripts : Mapping
        Options by the script's file name.
    """
    return SHELLS[shell](scripts)


def _bash(scripts: Mapping[str, Sequence[Option]]) -> str:
    lines = [
        "# completion of sie's scripts for bash",
        "_sie() {",
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} script= i",
        "    [[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD-2]}",
        "    [[ $word == = ]] && word=",
        "    for ((i = 1; i < COMP_CWORD; i++)); do",
        "        case ${COMP_WORDS[i]} in",
        "            *experiments/*.py) script=${COMP_WORDS[i]##*/}; break ;;",
        "        esac",
        "    done",
        "    COMPREPLY=()",
        "    case $script in",
    ]
    for script, options in scripts.items():
        lines += [f"        {script})", "            case $before in"]
        for option in options:
            names = "|".join(option.names)
            if option.choices:
                words = f'compgen -W "{" ".join(option.choices)}" -- "$word"'
                lines.append(f"                {names}) COMPREPLY=($({words})); return ;;")
            elif option.value:
                lines.append(f"                {names}) return ;;")
        every = " ".join(name for option in options for name in option.names)
        lines += [
            "            esac",
            '            [[ $word == -* ]] && COMPREPLY=($(compgen -W "' + every + '" -- "$word"))',
            "            ;;",
        ]
    # -o default: files, wherever nothing else is known
    return "\n".join([*lines, "    esac", "}", f"complete -o default -F _sie {_pythons()}", ""])


def _zsh(scripts: Mapping[str, Sequence[Option]]) -> str:
    lines = [
        f"#compdef {_pythons()}",
        "# completion of sie's scripts for zsh",
        "_sie() {",
        "    local i script=",
        "    for ((i = 2; i < CURRENT; i++)); do",
        "        case $words[i] in",
        "            (*experiments/*.py) script=${words[i]:t}; break ;;",
        "        esac",
        "    done",
        "    if [[ -n $script ]]; then",
        "        shift $((i - 1)) words",
        "        ((CURRENT -= i - 1))",
        "    fi",
        "    case $script in",
    ]
    for script, options in scripts.items():
        specs = [
            f"                {_zsh_spec(option, name)}"
            for option in options
            for name in option.names
        ]
        lines += [f"        ({script})", "            _arguments \\"]
        lines += [" \\\n".join([*specs, "                '*:file:_files'"]), "            ;;"]
    return "\n".join(
        [
            *lines,
            "        (*) _python 2>/dev/null || _files ;;",
            "    esac",
            "}",
            f"compdef _sie {_pythons()}",
            "",
        ]
    )


def _zsh_spec(option: Option, name: str) -> str:
    about = re.sub(r"([\[\]:\\])", r"\\\1", option.about)
    what = option.value.replace(":", " ")
    action = (
        f"({' '.join(option.choices)})" if option.choices else "_files" if option.is_path else " "
    )
    spec = f"*{name}[{about}]" + (f":{what}:{action}" if option.value else "")
    return "'" + spec.replace("'", "'\\''") + "'"


def _fish(scripts: Mapping[str, Sequence[Option]]) -> str:
    lines = [
        "# completion of sie's scripts for fish",
        "function __sie_runs",
        '    string match -q -- "*experiments/$argv[1]" (commandline -opc)',
        "end",
    ]
    for command in PYTHONS:
        for script, options in scripts.items():
            start = f"complete -c {command} -n '__sie_runs {script}'"
            lines += [f"{start} {_fish_option(option)}" for option in options]
    return "\n".join([*lines, ""])


def _fish_option(option: Option) -> str:
    words = [
        f"-{'l' if name.startswith('--') else 's'} {name.lstrip('-')}" for name in option.names
    ]
    if option.value:
        words.append("-r" if option.is_path else "-x")
    if option.choices:
        words.append(f"-a '{' '.join(option.choices)}'")
    about = option.about.replace("\\", "\\\\").replace("'", "\\'")
    return " ".join([*words, f"-d '{about}'"])


def _pythons() -> str:
    return " ".join(PYTHONS)


SHELLS: Mapping[str, Callable[[Mapping[str, Sequence[Option]]], str]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
