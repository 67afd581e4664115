//! The user's configuration: how the terminal UI looks and listens (docs/TUI.md).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::Deserialize;
use tui::Keymap;

use crate::failure::Failure;

/// The file's contents; what is left out is as it always was.
#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// The colours suit this background.
    #[serde(default)]
    pub theme: Theme,
    /// The view that the UI starts with.
    #[serde(default)]
    pub view: View,
    /// Other keys for actions.
    #[serde(default)]
    pub keys: BTreeMap<String, Vec<String>>,
}

/// The themes.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    /// For a dark background.
    #[default]
    Dark,
    /// For a light one.
    Light,
    /// No colours, as with `NO_COLOR`.
    None,
}

/// The views.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum View {
    #[default]
    Goroutines,
    Groups,
    Tree,
    Objects,
    Findings,
    Threads,
    Overview,
}

impl Config {
    /// Reads `goinspect/config.toml` in `$XDG_CONFIG_HOME` or `~/.config`, if there is one.
    pub fn load() -> Result<Config, Failure> {
        let Some(path) = path() else {
            return Ok(Config::default());
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Config::default()),
            Err(why) => {
                let text = format!("cannot read {}: {why}", path.display());
                return Err(Failure::command_line(text));
            }
        };
        let wrong = |why: String| Failure::command_line(format!("{}: {why}", path.display()));
        toml::from_str(&text).map_err(|why| wrong(why.to_string()))
    }

    /// Which keys do what.
    pub fn keymap(&self) -> Result<Keymap, Failure> {
        Keymap::with(&self.keys)
            .map_err(|why| Failure::command_line(format!("the configuration's keys: {why}")))
    }
}

/// Where the file would be. By the XDG base directory specification a relative path counts as none.
fn path() -> Option<PathBuf> {
    let absolute = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    Some(folder?.join("goinspect/config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_the_default_and_what_is_wrong_is_an_error() {
        let config: Config = toml::from_str("").unwrap();
        assert_eq!((config.theme, config.view), (Theme::Dark, View::Goroutines));
        let text = "theme = \"light\"\nview = \"findings\"\n[keys]\npause = [\"p\"]\n";
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!((config.theme, config.view), (Theme::Light, View::Findings));
        assert!(config.keymap().is_ok());
        for wrong in [
            "theme = \"pink\"",
            "colour = 1",
            "view = \"x\"",
            "[keys]\npause = 1",
        ] {
            assert!(toml::from_str::<Config>(wrong).is_err(), "{wrong}");
        }
        let unknown: Config = toml::from_str("[keys]\npaws = [\"p\"]").unwrap();
        assert!(unknown.keymap().is_err());
    }
}
