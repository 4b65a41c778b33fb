//! Where things are when nobody says otherwise.

use std::path::{Path, PathBuf};

/// The directories of this user, as the XDG base directory rules have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    state: Option<PathBuf>,
    config: Option<PathBuf>,
}

impl Places {
    /// The places that the environment names; `variable` answers one of its variables.
    #[must_use]
    pub fn from_environment(variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        // A relative directory is to be ignored, by those same rules.
        let base = |name: &str, in_home: &str| {
            variable(name)
                .filter(|path| path.is_absolute())
                .or_else(|| {
                    variable("HOME")
                        .filter(|home| home.is_absolute())
                        .map(|home| home.join(in_home))
                })
                .map(|path| path.join("adjourn"))
        };
        Self {
            state: base("XDG_STATE_HOME", ".local/state"),
            config: base("XDG_CONFIG_HOME", ".config"),
        }
    }

    /// The directory of everything that must survive; none when there is no home.
    #[must_use]
    pub fn state(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> Option<PathBuf> {
        self.state.as_deref().map(|state| state.join("adjourn.db"))
    }

    /// The local cluster's directory.
    #[must_use]
    pub fn local_cluster(&self) -> Option<PathBuf> {
        self.state.as_deref().map(|state| state.join("cluster"))
    }

    /// The settings files that are read if they are there: the first of them, and no other.
    #[must_use]
    pub fn settings_files(&self) -> Vec<PathBuf> {
        self.config
            .as_deref()
            .map(|config| config.join("adjourn.toml"))
            .into_iter()
            .chain([PathBuf::from("/etc/adjourn/adjourn.toml")])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(variables: &[(&str, &str)]) -> Places {
        Places::from_environment(|wanted| {
            variables
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| PathBuf::from(value))
        })
    }

    #[test]
    fn the_xdg_directories_go_before_home() {
        let found = places(&[("HOME", "/home/a"), ("XDG_STATE_HOME", "/state")]);
        assert_eq!(found.database(), Some("/state/adjourn/adjourn.db".into()));
        assert_eq!(
            found.settings_files()[0],
            PathBuf::from("/home/a/.config/adjourn/adjourn.toml")
        );
    }

    #[test]
    fn a_relative_or_empty_directory_counts_as_none() {
        let found = places(&[("HOME", "/home/a"), ("XDG_STATE_HOME", "state")]);
        assert_eq!(
            found.local_cluster(),
            Some("/home/a/.local/state/adjourn/cluster".into())
        );
        assert_eq!(places(&[("HOME", "")]).database(), None);
    }
}
