//! The real terminal: taking it over, giving it back, and its events.

use std::io::{self, Stdout, stdout};
use std::path::Path;
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{
    self, DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind,
};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use signal_hook::low_level::raise;

use crate::keymap::Key;
use crate::run::Events;
use crate::update::{Mouse, Msg};

/// Whether the terminal is taken over and so must be given back.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether a thread panicked while it was.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back when it goes.
pub(crate) struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
    }
}

/// Takes the terminal over.
pub(crate) fn enter() -> io::Result<(Terminal<CrosstermBackend<Stdout>>, Guard)> {
    leave_on_panic();
    PANICKED.store(false, Ordering::SeqCst);
    TAKEN.store(true, Ordering::SeqCst);
    // From here on an error gives back what was taken.
    let guard = Guard;
    take()?;
    let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    Ok((terminal, guard))
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(
        stdout(),
        EnterAlternateScreen,
        EnableMouseCapture,
        EnableBracketedPaste
    )
}

fn give_back() {
    // A terminal that is gone cannot be restored, and there is nobody to tell.
    let _ = execute!(
        stdout(),
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
}

/// Gives the terminal back, if it was taken.
fn leave() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    give_back();
}

/// A panic's message must be readable, and no panic, of whichever thread, may leave a terminal
/// that echoes nothing.
fn leave_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if TAKEN.load(Ordering::SeqCst) {
                PANICKED.store(true, Ordering::SeqCst);
                leave();
            }
            print(info);
        }));
    });
}

/// Whether a thread panicked while the terminal was taken over; it has been given back.
pub(crate) fn panicked() -> bool {
    PANICKED.load(Ordering::SeqCst)
}

/// Keys, mouse and sizes from the terminal.
pub(crate) struct Keyboard;

impl Events for Keyboard {
    fn next(&mut self, timeout: Duration) -> io::Result<Option<Msg>> {
        // Polls instead of a blocking read, so that new samples are seen as well.
        if !event::poll(timeout)? {
            return Ok(None);
        }
        Ok(message(event::read()?))
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(stdout(), CopyToClipboard::to_clipboard_from(text))
    }

    fn suspend(&mut self) -> io::Result<()> {
        give_back();
        // The terminal's own signal is blocked, lest it comes in the middle of a stop.
        raise(signal_hook::consts::signal::SIGSTOP)?;
        take()
    }

    fn edit(&mut self, file: &Path, line: u32) -> io::Result<Option<String>> {
        // A path that is not absolute could be taken for an option.
        if !file.is_absolute() || !file.is_file() {
            return Ok(Some(format!("{} is not on this machine", file.display())));
        }
        let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let editor = named("VISUAL").or_else(|| named("EDITOR"));
        let editor = editor.unwrap_or_else(|| "vi".into());
        let editor = editor.to_string_lossy().into_owned();
        // As git and others have it, the variable may hold options, too.
        let mut words = editor.split_whitespace();
        let program = words.next().unwrap_or("vi");
        give_back();
        let status = Command::new(program)
            .args(words)
            .arg(format!("+{line}"))
            .arg(file)
            .status();
        take()?;
        Ok(match status {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("{program}: {status}")),
            Err(why) => Some(format!("{program} cannot be started: {why}")),
        })
    }
}

fn message(event: Event) -> Option<Msg> {
    Some(match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Msg::Key(key_of(key)?),
        Event::Paste(text) => Msg::Paste(text),
        Event::Resize(width, height) => Msg::Resize(width, height),
        Event::Mouse(mouse) => {
            let kind = match mouse.kind {
                MouseEventKind::ScrollUp => Mouse::WheelUp,
                MouseEventKind::ScrollDown => Mouse::WheelDown,
                MouseEventKind::Down(MouseButton::Left) => Mouse::Click,
                _ => return None,
            };
            Msg::Mouse(kind, mouse.column, mouse.row)
        }
        _ => return None,
    })
}

fn key_of(key: KeyEvent) -> Option<Key> {
    Some(match key.code {
        KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => {
            Key::Ctrl(c.to_ascii_lowercase())
        }
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Tab => Key::Tab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        _ => return None,
    })
}
