//! Completions, asked for as each shell does when somebody presses Tab.
//!
//! `apt-get install zsh fish` brings the shells; bash is everywhere.

use std::process::Command;

use crate::support::{Home, script};

/// A home with two tasks, and its environment for a shell.
fn home() -> Home {
    let home = Home::without_cluster();
    home.submit(&script("nightly", "train", "exit 0"));
    home.submit(&script("nightly", "test", "exit 0"));
    home
}

/// What a shell says to `words`, which may use the completion script as $SCRIPT.
#[track_caller]
fn said(home: &Home, shell: &[&str], words: &str) -> String {
    let script = home.run(&["completions", shell[0]]).expect(0);
    let script = home.write("completions", script.text());
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).args(["-c", words]).env_clear();
    for (name, value) in home.command(&[]).get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let output = command
        .env("SCRIPT", script)
        .env("TERM", "xterm")
        .output()
        .unwrap_or_else(|error| panic!("{} (apt-get install {}): {error}", shell[0], shell[0]));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.is_empty(), "{}: {told}", shell[0]);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_completes_commands_and_the_ids_and_keys_of_tasks() {
    let home = home();
    let words = r#"
        source "$SCRIPT"
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=();
                _clap_complete_adjourn adjourn "${COMP_WORDS[COMP_CWORD]}"; echo "${COMPREPLY[*]}"; }
        ask adjourn describe ''
        ask adjourn descr
        ask adjourn logs -f nightly/tr
        ask adjourn get -o js"#;
    let said = said(&home, &["bash", "--norc"], words);
    let lines: Vec<&str> = said.lines().collect();
    let ids: Vec<&str> = lines[0].split_whitespace().collect();
    assert!(ids.contains(&"1") && ids.contains(&"2"), "{said}");
    assert_eq!(lines[1].trim(), "describe");
    assert!(lines[2].starts_with("nightly/train/"), "{said}");
    assert!(lines[3].contains("jsonl"), "{said}");
}

#[test]
fn fish_completes_commands_and_the_ids_and_keys_of_tasks() {
    let home = home();
    let words = r#"
        source $SCRIPT
        complete -C 'adjourn describe '
        echo next
        complete -C 'adjourn descr'
        echo next
        complete -C 'adjourn logs -f nightly/tr'"#;
    let said = said(&home, &["fish", "--no-config"], words);
    let parts: Vec<&str> = said.split("next\n").collect();
    let ids: Vec<&str> = parts[0]
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert!(ids.contains(&"1") && ids.contains(&"2"), "{said}");
    assert!(parts[0].contains("nightly/test/"), "what each is: {said}");
    assert!(parts[1].starts_with("describe"), "{said}");
    assert!(parts[2].starts_with("nightly/train/"), "{said}");
}

#[test]
fn zsh_completes_commands_and_the_ids_and_keys_of_tasks() {
    let home = home();
    // Zsh completes only at a terminal: it is given one, keys are pressed, and Ctrl-X shows the line
    // that came of them. Where several words would do, it lists them.
    let words = r#"
        zmodload zsh/zpty
        ask() {
            zpty shell zsh -f -i
            zpty -w shell "PS1='> '; autoload -U compinit; compinit -u -D; source $SCRIPT; LISTMAX=1000"
            zpty -w shell "show() { print -r -- \"LINE<\$BUFFER>\" }; zle -N show; bindkey '^X' show; print -n SET; print UP"
            zpty -r shell seen $'*SETUP\r\n*'
            zpty -w -n shell "$1"$'\t'"$3"
            zpty -r shell seen "*$2*"
            print -r -- "$seen"
            zpty -d shell
        }
        ask 'adjourn descr' 'LINE<*>' $'\x18'
        ask 'adjourn logs -f nightly/tr' 'LINE<*>' $'\x18'
        ask 'adjourn describe ' 'nightly/test/*nightly/train/' ''"#;
    let said = said(&home, &["zsh", "-f"], words);
    assert!(said.contains("LINE<adjourn describe >"), "{said}");
    assert!(
        said.contains("LINE<adjourn logs -f nightly/train/manual__"),
        "{said}"
    );
    let listed = said.rsplit("LINE<").next().unwrap();
    let listed: Vec<&str> = listed.split_whitespace().collect();
    let listed = listed.join(" ");
    for task in ["2 -- nightly/test/", "1 -- nightly/train/"] {
        assert!(listed.contains(task), "{said}");
    }
}
