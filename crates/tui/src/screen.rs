//! The terminal UI without a terminal: samples and keys go in, the text of the screen comes out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::Snapshot;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::feed::FeedEvent;
use crate::keymap::Key;
use crate::past::{Past, Step};
use crate::run::UiOptions;
use crate::save::Saver;
use crate::state::{Model, View, Wish};
use crate::update::{Effect, Msg, update};
use crate::view::view;

/// What would be on the screen.
pub struct Screen {
    pub(crate) model: Model,
    width: u16,
    height: u16,
    pub(crate) copied: Option<String>,
    pub(crate) edited: Option<(PathBuf, u32)>,
    pub(crate) saved: Option<(Arc<Snapshot>, PathBuf)>,
    pub(crate) past: Past,
    /// Whether answers are held back, and what is still to be taken in before the next one.
    pub(crate) is_slow: bool,
    pub(crate) steps: Option<Vec<Step>>,
}

pub(crate) fn options() -> UiOptions {
    UiOptions {
        title: "checkout".into(),
        color: false,
        light: false,
        true_color: false,
        keymap: Default::default(),
        view: View::default(),
        filter: String::new(),
        chips: Vec::new(),
        interval: Duration::from_secs(1),
        max_overhead: None,
        saver: Saver(Arc::new(|_, path| Ok(format!("wrote {}", path.display())))),
        at_work: Arc::default(),
    }
}

impl Screen {
    /// An empty one of so many columns and lines.
    pub fn new(width: u16, height: u16) -> Screen {
        let mut screen = Screen {
            model: Model::new(options()),
            width,
            height,
            copied: None,
            edited: None,
            saved: None,
            past: Past::default(),
            is_slow: false,
            steps: None,
        };
        screen.resize(width, height);
        screen
    }

    /// A sample, a second after the one before.
    pub fn sample(&mut self, snapshot: Snapshot) {
        self.model.now += Duration::from_secs(1);
        self.feed(FeedEvent::Snapshot(Arc::new(snapshot)));
    }

    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        (self.width, self.height) = (width, height);
        self.msg(Msg::Resize(width, height));
    }

    /// What the sampler tells.
    pub fn feed(&mut self, event: FeedEvent) {
        self.msg(Msg::Feed(event));
    }

    /// Something happens, and what is wished for is granted.
    pub(crate) fn msg(&mut self, msg: Msg) -> Option<Effect> {
        let effect = update(&mut self.model, msg);
        self.grant();
        effect
    }

    /// Answers what is asked, if that was held back.
    pub(crate) fn answer(&mut self) {
        if let Some(steps) = self.steps.take() {
            steps.into_iter().for_each(|step| self.past.take(step));
            let answer = Box::new(self.past.answer(self.model.question()));
            self.msg(Msg::Answer(answer));
        }
    }

    /// Does what the loop would do with wishes, at once; no source file is on this machine.
    pub(crate) fn grant(&mut self) {
        for wish in std::mem::take(&mut self.model.wishes) {
            match wish {
                Wish::Analyse(snapshot) => {
                    let found = analysis::findings(&snapshot);
                    self.msg(Msg::Found(found));
                }
                Wish::Work(steps) => {
                    self.steps.get_or_insert_default().extend(steps);
                    if !self.is_slow {
                        self.answer();
                    }
                }
                Wish::Free(_) => {}
                Wish::Read(path) => {
                    self.msg(Msg::Source(path, None));
                }
                Wish::Save(snapshot, path) => self.saved = Some((snapshot, path)),
                Wish::Suspend => {}
                Wish::Copy(text) => self.copied = Some(text),
                Wish::Edit(path, line) => self.edited = Some((path, line)),
            }
        }
    }

    pub(crate) fn key(&mut self, key: Key) -> Option<Effect> {
        self.msg(Msg::Key(key))
    }

    /// A key as a terminal sends it: Enter, Tab, Escape and Backspace have characters, too.
    pub fn press(&mut self, key: char) {
        self.key(match key {
            '\r' | '\n' => Key::Enter,
            '\t' => Key::Tab,
            '\x1b' => Key::Esc,
            '\x7f' => Key::Backspace,
            key => Key::Char(key),
        });
    }

    /// What is on the screen, line by line.
    pub fn text(&mut self) -> String {
        let Ok(mut terminal) = Terminal::new(TestBackend::new(self.width, self.height));
        let Ok(_) = terminal.draw(|frame| view(&self.model, frame));
        let buffer = terminal.backend().buffer();
        let area = buffer.area;
        let line = |y: u16| -> String {
            let cells = (0..area.width).filter_map(|x| buffer.cell((x, y)));
            let text: String = cells.map(|cell| cell.symbol()).collect();
            text.trim_end().to_owned()
        };
        (0..area.height).map(|y| line(y) + "\n").collect()
    }
}
