//! How things are called in sentences.

use model::{Goid, Goroutine, Object};

use crate::world::World;

/// How many goids a sentence names.
const MAX_GOIDS: usize = 5;

/// `goroutine 5`, `goroutines 5 and 6`, `goroutines 5, 6, 7 and 40 more`.
pub(crate) fn goroutines(goids: &[Goid]) -> String {
    let shown = if goids.len() <= MAX_GOIDS {
        goids.len()
    } else {
        MAX_GOIDS - 2
    };
    let mut names: Vec<String> = goids.iter().take(shown).map(Goid::to_string).collect();
    if goids.len() > shown {
        names.push(format!("{} more", goids.len() - shown));
    }
    let last = names.pop().unwrap_or_default();
    let s = if goids.len() == 1 { "" } else { "s" };
    match names.is_empty() {
        true => format!("goroutine{s} {last}"),
        false => format!("goroutine{s} {} and {last}", names.join(", ")),
    }
}

/// `1 goroutine waits`, `7 goroutines wait`.
pub(crate) fn count_wait(n: usize) -> String {
    match n {
        1 => "1 goroutine waits".to_owned(),
        _ => format!("{n} goroutines wait"),
    }
}

/// `the mutex main.mu`, `the channel 0xc000010000 (chan int)`.
pub(crate) fn the(object: &Object) -> String {
    let kind = match object.kind {
        model::WaitKind::Chan => "channel",
        model::WaitKind::Mutex => "mutex",
        model::WaitKind::RwMutex => "RWMutex",
        model::WaitKind::Cond => "condition",
        model::WaitKind::WaitGroup => "WaitGroup",
        _ => "semaphore",
    };
    let name = match &object.name {
        Some(name) => name.to_string(),
        None => object.addr.to_string(),
    };
    match &object.state {
        model::ObjectState::Chan(state) => match &state.elem_type {
            Some(elem) => format!("the {kind} {name} (chan {elem})"),
            None => format!("the {kind} {name}"),
        },
        _ => format!("the {kind} {name}"),
    }
}

/// Where the program itself is: `main.worker (pool.go:17)`.
pub(crate) fn place(g: &Goroutine) -> String {
    match g.top_user_frame() {
        Some(frame) => {
            let file = frame.file.rsplit('/').next().unwrap_or_default();
            format!("{} ({file}:{})", frame.function.name, frame.line)
        }
        None => g.state().to_owned(),
    }
}

/// `goroutine 7 in main.worker (pool.go:17), which waits for the mutex main.mu`.
pub(crate) fn who_and_why(world: &World<'_>, goid: Goid) -> String {
    let Some(g) = world.goroutine(goid) else {
        return format!("goroutine {goid}");
    };
    format!("goroutine {goid} in {} [{}]", place(g), g.state())
}
