//! The user's configuration: how the terminal UI looks and listens (docs/TUI.md).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use model::Filter;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tui::{Chip, Keymap, View};

use crate::failure::Failure;

/// The file's contents; what is left out is as it always was.
#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// The colours suit this background.
    #[serde(default)]
    pub theme: Theme,
    /// Which colours there are; what the terminal says, if this says nothing.
    pub colors: Option<Colors>,
    /// The view that the UI starts with.
    #[serde(default, deserialize_with = "view")]
    pub view: View,
    /// Filters that are kept in the UI, by name.
    #[serde(default)]
    pub filters: BTreeMap<String, String>,
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

/// How many colours a terminal has.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colors {
    /// Its own, which its user may have chosen.
    #[serde(rename = "16")]
    Sixteen,
    /// 24 bits each.
    #[serde(rename = "truecolor")]
    TrueColor,
}

/// A view by its name, as its tab says it, in small letters.
fn view<'de, D: Deserializer<'de>>(deserializer: D) -> Result<View, D::Error> {
    let name = String::deserialize(deserializer)?;
    View::named(&name).ok_or_else(|| {
        let names = View::ALL.map(View::name).join(", ");
        D::Error::custom(format!("there is no view {name:?}; there are {names}"))
    })
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

    /// Whether to use more than sixteen colours; `colorterm` is what the terminal says of itself (`$COLORTERM`).
    pub fn true_color(&self, colorterm: Option<&str>) -> bool {
        match self.colors {
            Some(colors) => colors == Colors::TrueColor,
            None => matches!(colorterm, Some("truecolor" | "24bit")),
        }
    }

    /// The filters that are kept; none of them is in force at first.
    pub fn chips(&self) -> Result<Vec<Chip>, Failure> {
        let chip = |(name, text): (&String, &String)| {
            let filter = Filter::parse(text).map_err(|why| {
                let what = format!("the configuration's filter {name}: {}", why.message);
                Failure::command_line(what)
            })?;
            Ok(Chip {
                name: name.clone(),
                filter,
                on: false,
            })
        };
        self.filters.iter().map(chip).collect()
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
        let colors = |text: &str, says| {
            let config: Config = toml::from_str(text).unwrap();
            config.true_color(says)
        };
        assert!(!colors("", None) && colors("", Some("truecolor")) && !colors("", Some("yes")));
        assert!(
            !colors("colors = \"16\"", Some("24bit")) && colors("colors = \"truecolor\"", None)
        );
        let text = "[filters]\nstuck = \"age:>5m\"";
        let config: Config = toml::from_str(text).unwrap();
        let chips = config.chips().unwrap();
        assert_eq!((chips[0].name.as_str(), chips[0].on), ("stuck", false));
        let config: Config = toml::from_str("[filters]\nx = \"age:\"").unwrap();
        assert!(config.chips().is_err());
        let unknown: Config = toml::from_str("[keys]\npaws = [\"p\"]").unwrap();
        assert!(unknown.keymap().is_err());
    }
}
