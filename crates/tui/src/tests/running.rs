//! The loop, with a feed and keys that are made up.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::feed::{Feed, FeedEvent, Request};
use crate::keymap::Key;
use crate::run::{Events, Exit, UiError, run_on};
use crate::testing::{options, story};
use crate::update::Msg;

/// Keys, then silence; the terminal goes away after a while.
struct Script {
    keys: VecDeque<Option<Key>>,
}

impl Events for Script {
    fn next(&mut self, _: Duration) -> io::Result<Option<Msg>> {
        match self.keys.pop_front() {
            Some(key) => Ok(key.map(Msg::Key)),
            None => Err(io::Error::other("the terminal went away")),
        }
    }
}

fn feed() -> (Sender<FeedEvent>, Receiver<Request>, Feed) {
    let (tell, events) = channel();
    let (requests, asked) = channel();
    (tell, asked, Feed { events, requests })
}

fn play(feed: Feed, keys: &[Option<Key>]) -> (Result<Exit, UiError>, String) {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let mut script = Script {
        keys: keys.iter().copied().collect(),
    };
    let exit = run_on(&mut terminal, &mut script, feed, options());
    (exit, terminal.backend().to_string())
}

#[test]
fn samples_are_shown_and_keys_obeyed() {
    let (tell, asked, feed) = feed();
    for snapshot in story() {
        tell.send(FeedEvent::Snapshot(Arc::new(snapshot))).unwrap();
    }
    let space = Some(Key::Char(' '));
    let (exit, screen) = play(
        feed,
        &[
            None,
            space,
            None,
            Some(Key::Char('.')),
            None,
            None,
            Some(Key::Char('q')),
            None,
        ],
    );
    assert!(matches!(exit, Ok(Exit::Quit)));
    assert!(
        screen.contains("go1.26.1") && screen.contains("PAUSED"),
        "{screen}"
    );
    let asked: Vec<Request> = asked.try_iter().collect();
    assert_eq!(asked, [Request::Pause, Request::Sample]);
}

#[test]
fn a_sampler_that_vanishes_leaves_the_last_state() {
    let (tell, _asked, feed) = feed();
    tell.send(FeedEvent::Snapshot(Arc::new(story().remove(0))))
        .unwrap();
    drop(tell);
    let (exit, screen) = play(feed, &[None, None, None, Some(Key::Ctrl('c')), None]);
    assert!(matches!(exit, Ok(Exit::Quit)));
    assert!(
        screen.contains("ENDED") && screen.contains("the sampler has stopped"),
        "{screen}"
    );
    assert!(screen.contains("sync.Mutex.Lock"), "{screen}");
}

#[test]
fn asked_to_end_from_outside() {
    let (tell, _asked, feed) = feed();
    tell.send(FeedEvent::Quit).unwrap();
    assert!(matches!(play(feed, &[None, None]).0, Ok(Exit::Terminated)));
}

#[test]
fn a_terminal_that_goes_away_is_an_error() {
    let (_tell, _asked, feed) = feed();
    let (exit, _) = play(feed, &[None]);
    assert!(matches!(exit, Err(UiError::Terminal(_))));
}
