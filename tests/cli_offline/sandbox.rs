//! A home of its own for each test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

/// A task that can be stored; its key is fixed.
pub const HELLO: &str = "task_id: hello\nrun_id: first\nimage: busybox:1.36\n";

/// An empty home; nothing of the machine's own settings is seen.
pub struct Sandbox {
    root: TempDir,
}

/// What a command has left.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    fn new(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it ended by itself"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It went well: what it printed.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out
    }

    /// It failed with `code`, printed nothing, and said exactly this.
    #[track_caller]
    pub fn bad(self, code: i32, said: &str) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        assert_eq!(self.err.trim_end(), said);
    }
}

impl Sandbox {
    pub fn new() -> Self {
        Self {
            root: TempDir::new().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The database that is used when nobody names one.
    pub fn database(&self) -> PathBuf {
        self.path("state/adjourn/adjourn.db")
    }

    /// Writes a file and answers its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program, in this home.
    pub fn program(&self) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_adjourn"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            // Many daemons run at once on the machine of the tests.
            .env("ADJOURN_HTTP_LISTEN", "none")
            .current_dir(self.root.path());
        command
    }

    /// Runs the program with these words.
    pub fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Done {
        Done::new(self.program().args(words).output().unwrap())
    }

    /// Runs the program with words that are separated by blanks.
    pub fn adjourn(&self, words: &str) -> Done {
        self.run(words.split_whitespace())
    }

    /// Runs the program with a text on its stdin.
    pub fn with_input(&self, words: &str, input: &str) -> Done {
        let mut command = assert_cmd::Command::from_std(self.program());
        command.args(words.split_whitespace()).write_stdin(input);
        Done::new(command.output().unwrap())
    }

    /// Stores [`HELLO`].
    #[track_caller]
    pub fn submit_hello(&self) {
        assert_eq!(self.with_input("submit -", HELLO).good(), "1\n");
    }
}

/// A text with everything that differs from run to run made equal: moments, ages, blanks.
pub fn redacted(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        let words: Vec<String> = line
            .split_whitespace()
            .map(|word| {
                let core: String = word
                    .chars()
                    .map(|c| if c.is_ascii_digit() { '0' } else { c })
                    .collect();
                let core = core.replace("0000-00-00T00:00:00.000Z", "<moment>");
                let bare = core.trim_start_matches('(');
                let is_age = bare.trim_start_matches('0') == "s" && bare.starts_with('0');
                match (core.contains("<moment>"), is_age) {
                    (true, _) => core,
                    (false, true) => word.replace(bare_of(word), "<age>"),
                    (false, false) => word.to_owned(),
                }
            })
            .collect();
        format!("{indent}{}", words.join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn bare_of(word: &str) -> &str {
    word.trim_start_matches('(')
}

/// Whether there is anything at `path`.
pub fn exists(path: &Path) -> bool {
    std::fs::exists(path).unwrap()
}
