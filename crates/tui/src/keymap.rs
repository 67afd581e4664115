//! The one table of keys: what they do, and what the help says of them.

use std::collections::BTreeMap;

use crate::state::View;

mod table;

pub(crate) use table::KEYMAP;

/// A key as the table names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    Char(char),
    Ctrl(char),
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
}

/// What a key does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Open,
    Back,
    Unfold,
    Shut,
    View(View),
    NextView,
    PreviousView,
    GroupBy,
    Mark,
    Unmark,
    Only,
    Fold,
    Copy,
    Save,
    Edit,
    Filter,
    Keep,
    Kept,
    System,
    NextSort,
    PreviousSort,
    Reverse,
    Pause,
    Step,
    Longer,
    Shorter,
    Earlier,
    Later,
    MuchEarlier,
    MuchLater,
    Oldest,
    Newest,
    Diagnostics,
    Help,
    Close,
    Suspend,
    Quit,
    /// Whatever is open.
    QuitAtOnce,
}

/// A line of the table.
pub(crate) struct Binding {
    pub keys: &'static [Key],
    pub action: Action,
    /// For the help.
    pub help: &'static str,
    /// For the line of keys at the bottom; empty for what needs no reminder.
    pub hint: &'static str,
}

/// Which keys do what: the table, with what the user wants otherwise.
#[derive(Clone, Default, Debug)]
pub struct Keymap {
    changed: Vec<(Action, Vec<Key>)>,
}

impl Keymap {
    /// The table with other keys for some actions. An action is called by its name (`next-view`), a key by
    /// what stands on it (`p`, `Space`, `Ctrl-B`, `PgUp`). A key that is given to an action is taken from any other one.
    pub fn with(changes: &BTreeMap<String, Vec<String>>) -> Result<Keymap, String> {
        let mut changed: Vec<(Action, Vec<Key>)> = Vec::new();
        for (name, keys) in changes {
            let action = bindings().map(|b| b.action).find(|a| a.name() == *name);
            let action = action.ok_or_else(|| {
                let names: Vec<String> = bindings().map(|b| b.action.name()).collect();
                format!("there is no action {name}; there are {}", names.join(", "))
            })?;
            let keys = keys
                .iter()
                .map(|key| Key::parse(key).ok_or_else(|| format!("{name}: there is no key {key}")));
            changed.push((action, keys.collect::<Result<_, _>>()?));
        }
        for (i, (action, keys)) in changed.iter().enumerate() {
            let others = changed.iter().skip(i + 1);
            let twice = others
                .flat_map(|(_, keys)| keys)
                .find(|key| keys.contains(key));
            if let Some(key) = twice {
                return Err(format!(
                    "{} has two actions, one is {}",
                    key.name(),
                    action.name()
                ));
            }
        }
        Ok(Keymap { changed })
    }

    /// The keys of an action.
    pub(crate) fn keys(&self, binding: &Binding) -> Vec<Key> {
        if let Some((_, keys)) = self.changed.iter().find(|(a, _)| *a == binding.action) {
            return keys.clone();
        }
        let taken = |key: &&Key| self.changed.iter().any(|(_, keys)| keys.contains(key));
        binding
            .keys
            .iter()
            .filter(|key| !taken(key))
            .copied()
            .collect()
    }

    /// What a key does outside the filter line.
    pub(crate) fn action(&self, key: Key) -> Option<Action> {
        // However the keys are set, this one leaves.
        if key == Key::Ctrl('c') {
            return Some(Action::QuitAtOnce);
        }
        let found = bindings().find(|binding| self.keys(binding).contains(&key));
        found.map(|binding| binding.action)
    }
}

/// All lines of the table.
pub(crate) fn bindings() -> impl Iterator<Item = &'static Binding> {
    KEYMAP.iter().flat_map(|(_, bindings)| bindings.iter())
}

impl Action {
    /// What the configuration calls it: `next-view`, `groups`.
    pub fn name(self) -> String {
        let name = match self {
            Action::View(view) => format!("{view:?}"),
            action => format!("{action:?}"),
        };
        let mut words = String::new();
        for (i, c) in name.char_indices() {
            if i > 0 && c.is_uppercase() {
                words.push('-');
            }
            words.push(c.to_ascii_lowercase());
        }
        words
    }
}

impl Key {
    /// The key of a name.
    fn parse(name: &str) -> Option<Key> {
        let named = [
            Key::Up,
            Key::Down,
            Key::Left,
            Key::Right,
            Key::PageUp,
            Key::PageDown,
            Key::Home,
            Key::End,
            Key::Enter,
            Key::Esc,
            Key::Tab,
            Key::BackTab,
            Key::Backspace,
            Key::Delete,
            Key::Char(' '),
        ];
        let ctrl = name.strip_prefix("Ctrl-").and_then(|c| c.chars().next());
        let found = named
            .into_iter()
            .find(|key| key.name() == name || format!("{key:?}") == name);
        let mut chars = name.chars();
        let single = chars.next().filter(|_| chars.next().is_none());
        found
            .or(ctrl.map(|c| Key::Ctrl(c.to_ascii_lowercase())))
            .or(single.map(Key::Char))
    }

    /// What stands on the key.
    pub fn name(self) -> String {
        match self {
            Key::Char(' ') => "Space".into(),
            Key::Char(c) => c.into(),
            Key::Ctrl(c) => format!("Ctrl-{}", c.to_ascii_uppercase()),
            Key::Up => "↑".into(),
            Key::Down => "↓".into(),
            Key::Left => "←".into(),
            Key::Right => "→".into(),
            Key::BackTab => "Shift-Tab".into(),
            Key::PageUp => "PgUp".into(),
            Key::PageDown => "PgDn".into(),
            key => format!("{key:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_can_be_changed() {
        let changes = |list: &[(&str, &[&str])]| {
            let list = list.iter().map(|(action, keys)| {
                let keys = keys.iter().map(|key| (*key).to_owned()).collect();
                ((*action).to_owned(), keys)
            });
            Keymap::with(&list.collect())
        };
        let keymap = changes(&[("pause", &["p", "Space"]), ("groups", &["Ctrl-G", "m"])]).unwrap();
        for (key, action) in [
            (Key::Char('p'), Some(Action::Pause)),
            (Key::Char(' '), Some(Action::Pause)),
            (Key::Ctrl('g'), Some(Action::View(View::Groups))),
            (Key::Char('m'), Some(Action::View(View::Groups))),
            (Key::Char('2'), None),
            (Key::Char('j'), Some(Action::Down)),
        ] {
            assert_eq!(keymap.action(key), action, "{key:?}");
        }
        assert!(
            changes(&[("paws", &["p"])])
                .unwrap_err()
                .contains("next-view")
        );
        assert!(changes(&[("pause", &["Hyper-X"])]).is_err());
        assert!(changes(&[("pause", &["p"]), ("step", &["p"])]).is_err());
        for binding in bindings() {
            for key in binding.keys {
                assert_eq!(Key::parse(&key.name()), Some(*key));
            }
        }
    }

    #[test]
    fn no_key_is_bound_twice() {
        let keys: Vec<Key> = bindings().flat_map(|b| b.keys).copied().collect();
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys[i + 1..].contains(key), "{key:?}");
        }
    }
}
