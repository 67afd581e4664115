//! Takes in samples and answers questions on a thread of its own: with many goroutines that takes
//! longer than a key may wait.

use std::any::Any;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::past::{Answer, Past, Step};
use crate::question::Question;

/// For how long the loop waits for an answer before it goes on with the next key. Mostly the answer is there at
/// once, and then what is typed next is about what it shows.
const AT_ONCE: Duration = Duration::from_millis(15);

enum Task {
    /// To take the steps, and then to answer.
    Work(Vec<Step>, Question),
    /// Freeing a million goroutines takes its time, too.
    Drop(Box<dyn Any + Send>),
}

/// The thread's two ends. It goes when they do.
pub(crate) struct Worker {
    tasks: Sender<Task>,
    answers: Receiver<(usize, Answer)>,
    /// How many tasks have not been answered, alone or together with later ones.
    open: usize,
}

impl Worker {
    pub fn start() -> io::Result<Worker> {
        let (tasks, given) = channel();
        let (tell, answers) = channel();
        thread::Builder::new()
            .name("goinspect-worker".to_owned())
            .spawn(move || work(&given, &tell))?;
        Ok(Worker {
            tasks,
            answers,
            open: 0,
        })
    }

    /// Sends a task, and gives the answer if it comes at once. If others are still to be answered, nobody waits for it.
    pub fn ask(&mut self, steps: Vec<Step>, question: Question) -> Option<Answer> {
        let is_idle = self.open == 0;
        self.open += 1;
        // If the thread has panicked, the loop notices that by itself.
        let _ = self.tasks.send(Task::Work(steps, question));
        let answer = match is_idle {
            true => self.answers.recv_timeout(AT_ONCE).ok()?,
            false => return None,
        };
        Some(self.count(answer))
    }

    /// The answers that have come.
    pub fn answers(&mut self) -> Vec<Answer> {
        let come: Vec<_> = self.answers.try_iter().collect();
        come.into_iter().map(|answer| self.count(answer)).collect()
    }

    pub fn free(&self, what: Box<dyn Any + Send>) {
        let _ = self.tasks.send(Task::Drop(what));
    }

    fn count(&mut self, (tasks, answer): (usize, Answer)) -> Answer {
        self.open = self.open.saturating_sub(tasks);
        let last = self.open == 0;
        Answer { last, ..answer }
    }
}

fn work(given: &Receiver<Task>, tell: &Sender<(usize, Answer)>) {
    let mut past = Past::default();
    while let Ok(first) = given.recv() {
        // What comes while these are done waits for the next answer: there is one, even if that goes on for ever.
        let all: Vec<Task> = std::iter::once(first).chain(given.try_iter()).collect();
        let mut asked: Option<Question> = None;
        let mut tasks = 0;
        for task in all {
            match task {
                // All samples count, but only the last question.
                Task::Work(steps, question) => {
                    steps.into_iter().for_each(|step| past.take(step));
                    asked = Some(question);
                    tasks += 1;
                }
                Task::Drop(what) => drop(what),
            }
        }
        if let Some(question) = asked
            && tell.send((tasks, past.answer(question))).is_err()
        {
            return;
        }
    }
}
