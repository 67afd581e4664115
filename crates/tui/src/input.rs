//! A line of text that is being edited.

use crate::keymap::Key;

/// The text and where the cursor stands in it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Input {
    text: String,
    /// In bytes; always at the beginning of a character or the end.
    cursor: usize,
}

impl Input {
    pub fn new(text: String) -> Input {
        Input {
            cursor: text.len(),
            text,
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    pub fn before_cursor(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or(&self.text)
    }

    fn after_cursor(&self) -> &str {
        self.text.get(self.cursor..).unwrap_or_default()
    }

    /// Inserts what can be part of one line.
    pub fn insert(&mut self, text: &str) {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        self.text = format!("{}{text}{}", self.before_cursor(), self.after_cursor());
        self.cursor += text.len();
    }

    /// Applies an editing key; says whether it was one.
    pub fn key(&mut self, key: Key) -> bool {
        let left = self
            .before_cursor()
            .chars()
            .next_back()
            .map_or(0, char::len_utf8);
        let right = self.after_cursor().chars().next().map_or(0, char::len_utf8);
        match key {
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Left | Key::Ctrl('b') => self.cursor -= left,
            Key::Right | Key::Ctrl('f') => self.cursor += right,
            Key::Home | Key::Ctrl('a') => self.cursor = 0,
            Key::End | Key::Ctrl('e') => self.cursor = self.text.len(),
            Key::Backspace | Key::Ctrl('h') => self.delete_before(left),
            Key::Delete | Key::Ctrl('d') => {
                self.cursor += right;
                self.delete_before(right);
            }
            Key::Ctrl('w') => {
                let kept = self.before_cursor().trim_end();
                let kept = kept.rfind(' ').map_or(0, |space| space + 1);
                self.delete_before(self.cursor - kept);
            }
            Key::Ctrl('u') => self.delete_before(self.cursor),
            _ => return false,
        }
        true
    }

    /// Puts a text in the place of the bytes before the cursor.
    pub fn replace_before(&mut self, bytes: usize, text: &str) {
        self.delete_before(bytes.min(self.cursor));
        self.insert(text);
    }

    fn delete_before(&mut self, bytes: usize) {
        let start = self.cursor - bytes;
        let kept = self.text.get(..start).unwrap_or_default();
        self.text = format!("{kept}{}", self.after_cursor());
        self.cursor = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits() {
        let mut input = Input::new("func:é".into());
        for (key, text) in [
            (Key::Char('x'), "func:éx"),
            (Key::Left, "func:éx"),
            (Key::Backspace, "func:x"),
            (Key::Home, "func:x"),
            (Key::Delete, "unc:x"),
            (Key::End, "unc:x"),
            (Key::Char(' '), "unc:x "),
            (Key::Char('y'), "unc:x y"),
            (Key::Ctrl('w'), "unc:x "),
            (Key::Ctrl('w'), ""),
            (Key::Backspace, ""),
            (Key::Delete, ""),
            (Key::Right, ""),
        ] {
            assert!(input.key(key));
            assert_eq!(input.text(), text, "{key:?}");
        }
        assert!(!input.key(Key::Enter));
        input.insert("a\nb\x1b");
        assert_eq!(input.text(), "ab");
    }
}
