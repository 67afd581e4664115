//! Looks for what is stuck, on a thread of its own: with many goroutines that takes longer than a key may wait.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use analysis::{Finding, findings};
use model::Snapshot;

/// The thread's two ends. It goes when they do.
pub(crate) struct Analyst {
    snapshots: Sender<Arc<Snapshot>>,
    pub findings: Receiver<Vec<Finding>>,
}

impl Analyst {
    pub fn start() -> std::io::Result<Analyst> {
        let (snapshots, given) = channel::<Arc<Snapshot>>();
        let (found, findings_end) = channel();
        let work = move || {
            while let Ok(mut snapshot) = given.recv() {
                // Only the last one counts.
                while let Ok(newer) = given.try_recv() {
                    snapshot = newer;
                }
                if found.send(findings(&snapshot)).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new()
            .name("goinspect-findings".to_owned())
            .spawn(work)?;
        Ok(Analyst {
            snapshots,
            findings: findings_end,
        })
    }

    pub fn look_at(&self, snapshot: Arc<Snapshot>) {
        // If the thread has panicked, the loop notices that by itself.
        let _ = self.snapshots.send(snapshot);
    }
}
