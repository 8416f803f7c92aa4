//! The archive that the tests come in, unpacked while they run: it is never in memory as a whole.

use std::{
    fs::File,
    io::{BufReader, Read},
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, sync_channel},
    },
    thread,
};

use lzma_rust2::XzReader;

/// A file of the archive.
pub(super) struct Packed {
    /// Its path there.
    pub(super) name: String,
    pub(super) json: Vec<u8>,
}

/// Calls `visit` with one file after another until it breaks. `false` if there is no archive.
pub(super) fn visit(mut visit: impl FnMut(Packed) -> ControlFlow<()>) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/ethereum-tests/blockchain-tests.tar.xz");
    let Ok(file) = File::open(&path) else {
        println!("skipped: there is no file {}", path.display());
        return false;
    };
    let mut archive = tar::Archive::new(XzReader::new(BufReader::new(file), false));
    for entry in archive.entries().expect("the archive can be read") {
        let mut entry = entry.expect("the archive is whole");
        let path = entry.path().expect("the archive is whole");
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.display().to_string();
        let mut json = Vec::new();
        entry.read_to_end(&mut json).expect("the archive is whole");
        if visit(Packed { name, json }).is_break() {
            break;
        }
    }
    true
}

/// Has the files visited by as many threads as there are cores, each with something of its own that `begin` makes: what
/// they have in the end. Nothing if there is no archive.
pub(super) fn share<T: Send>(
    begin: impl Fn() -> T + Sync,
    visit_one: impl Fn(&mut T, &Packed) + Sync,
) -> Vec<T> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (sender, receiver) = sync_channel::<Packed>(16);
    let receiver = Arc::new(Mutex::new(receiver));
    let work = |receiver: Arc<Mutex<Receiver<Packed>>>| {
        let mut own = begin();
        loop {
            let next = receiver.lock().expect("nobody panics with it").recv();
            match next {
                Ok(packed) => visit_one(&mut own, &packed),
                Err(_) => return own,
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|_| {
                let receiver = Arc::clone(&receiver);
                scope.spawn(|| work(receiver))
            })
            .collect();
        // Whoever panics lets go of it, so that nobody sends to nobody.
        drop(receiver);
        let is_there = visit(|packed| match sender.send(packed) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        });
        drop(sender);
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(own) => own,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        let joined = joined.collect();
        if is_there { joined } else { Vec::new() }
    })
}
