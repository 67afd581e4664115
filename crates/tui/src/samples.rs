//! What becomes of samples and of answers about them, and going back and forth in time.

use std::sync::Arc;
use std::time::Duration;

use model::Snapshot;

use crate::cursor::Cause;
use crate::feed::{FeedEvent, Request};
use crate::keymap::Action;
use crate::past::{Answer, Step};
use crate::run::Exit;
use crate::state::{Model, View, Wish};
use crate::update::Effect;
use crate::watch::Watch;

/// The intervals that `+` and `-` step through, in milliseconds.
const INTERVALS: [u64; 10] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000,
];
pub(crate) fn on_feed(model: &mut Model, event: FeedEvent) -> Option<Effect> {
    match event {
        FeedEvent::Snapshot(snapshot) => {
            model.trouble = None;
            let (index, follows) = model.timeline.live(snapshot.clone());
            let mut steps = vec![Step::Weigh(index, snapshot.clone())];
            // Whoever looks at an earlier one is not disturbed.
            if follows {
                steps.push(sample(model, index, snapshot));
            }
            model.work(steps);
        }
        FeedEvent::Recorded {
            index,
            of,
            before,
            sample,
            paused,
        } => {
            model.trouble = None;
            model.paused |= paused;
            let goes_on = model.timeline.recorded(index, of);
            let samples = before.into_iter().chain([sample]);
            take_in(model, index, samples, !goes_on);
        }
        FeedEvent::Failed { message, hint } => model.trouble = Some((message, hint)),
        // The first reason is the one that counts.
        FeedEvent::Ended { message } => {
            model.ended.get_or_insert(message);
        }
        FeedEvent::Quit => return Some(Effect::Exit(Exit::Terminated)),
    }
    None
}

fn sample(model: &Model, index: usize, snapshot: Arc<Snapshot>) -> Step {
    Step::Sample {
        snapshot,
        index,
        received: model.now,
        looked_at: model.selected_goid(),
    }
}

/// Has the last of some samples shown, and those before it taken in; unless they `start_over`, they follow the last one.
fn take_in(
    model: &mut Model,
    index: usize,
    samples: impl IntoIterator<Item = Arc<Snapshot>>,
    start_over: bool,
) {
    let start = start_over.then_some(Step::StartOver);
    let samples = samples.into_iter().map(|one| sample(model, index, one));
    let steps = start.into_iter().chain(samples).collect();
    model.work(steps);
}

/// Shows what was asked for; unless something else has been asked for meanwhile, or a later answer came first.
pub(crate) fn on_answer(model: &mut Model, answer: Answer) {
    let weights = answer.weights.iter();
    let dropped: Vec<_> = weights
        .flat_map(|(index, weight)| model.timeline.weighed(*index, *weight))
        .collect();
    if !dropped.is_empty() {
        model.wishes.push(Wish::Free(Box::new(dropped)));
    }
    model.working = match answer.last {
        true => None,
        false => Some(model.now),
    };
    let sheet = answer.sheet;
    let is_late = answer.number <= model.answered;
    if is_late || sheet.question.generation != model.asked.generation {
        let stale = (answer.watch, sheet.order, sheet.lines, sheet.groups);
        model.wishes.push(Wish::Free(Box::new(stale)));
        return;
    }
    model.answered = answer.number;
    let cause = match std::mem::take(&mut model.from_top) {
        true => Cause::Asked,
        false => Cause::Sample,
    };
    let shown = |watch: &Watch| watch.snapshot.as_ref().map(Arc::as_ptr);
    if let Some(snapshot) = &answer.watch.snapshot
        && shown(&model.watch) != shown(&answer.watch)
    {
        model.wishes.push(Wish::Analyse(snapshot.clone()));
    }
    model.timeline.show(answer.index);
    model.series = answer.series;
    let watch = std::mem::replace(&mut model.watch, answer.watch);
    let order = model.list.replace(sheet.order, &model.watch, cause);
    (model.view, model.by) = (sheet.question.view, sheet.question.by);
    model.finding_list = match model.view {
        View::Findings => sheet.question.found,
        _ => model.asked.found.clone(),
    };
    model.finding_since = sheet.finding_since;
    let groups = std::mem::replace(&mut model.group_list, sheet.groups);
    let outline = model.outline_mut();
    let lines = outline.map(|outline| outline.replace(sheet.lines, cause));
    let old = (watch, order, groups, lines);
    model.wishes.push(Wish::Free(Box::new(old)));
    // Whoever goes through what is offered goes on with that.
    if let Some(line) = &mut model.filter_line
        && line.taken.is_none()
    {
        line.completion = sheet.completion.unwrap_or_default();
    }
}

/// Goes to another sample. Of a recording it is asked for, and it pauses.
pub(crate) fn on_scrub(model: &mut Model, action: Action) -> Option<Effect> {
    let to = model.timeline.target(action)?;
    if model.timeline.is_recording() {
        model.paused = true;
        return Some(Effect::Request(Request::Show(to)));
    }
    let samples = model.timeline.go(to);
    take_in(model, to, samples, true);
    None
}

/// What the keys do that pause, step and change the interval.
pub(crate) fn on_time(model: &mut Model, action: Action) -> Option<Effect> {
    if model.ended.is_some() {
        return None;
    }
    let now = u64::try_from(model.interval.as_millis()).unwrap_or(u64::MAX);
    let interval = match action {
        Action::Pause => {
            model.paused = !model.paused;
            let request = if model.paused {
                Request::Pause
            } else {
                Request::Resume
            };
            return Some(Effect::Request(request));
        }
        Action::Longer => INTERVALS.into_iter().find(|ms| *ms > now),
        Action::Shorter => INTERVALS.into_iter().rev().find(|ms| *ms < now),
        _ => return Some(Effect::Request(Request::Sample)),
    };
    model.interval = Duration::from_millis(interval?);
    Some(Effect::Request(Request::SetInterval(model.interval)))
}
