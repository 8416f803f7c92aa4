//! The stacks of all threads of this process, whatever they are doing: each is interrupted by a signal and walks its own.

use std::{
    ffi::c_void,
    fmt::Write as _,
    fs, io, process,
    sync::{
        Once,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// More frames of a stack are not shown.
const MOST: usize = 96;
/// So long a thread has to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where the frames of the thread that was asked last lie. A signal handler may not allocate.
static FRAMES: [AtomicPtr<c_void>; MOST] = [const { AtomicPtr::new(std::ptr::null_mut()) }; MOST];
/// How many there are, and one more; none as long as it has not answered.
static ANSWER: AtomicUsize = AtomicUsize::new(0);

/// What a thread does when it is asked.
fn answer() {
    let mut count = 0;
    // SAFETY: What must not run at the same time is another call: one thread is asked at a time, and nothing else in this
    // program calls it.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            // ORDERING: Relaxed. The store to `ANSWER` publishes it.
            FRAMES[count].store(frame.ip(), Ordering::Relaxed);
            count += 1;
            count < MOST
        });
    }
    // ORDERING: Release, for the load of who asks.
    ANSWER.store(count + 1, Ordering::Release);
}

/// The stacks of all threads but this one, with names. Takes up to a second for one that does not answer, after which nobody is asked.
pub(super) fn of_all_threads() -> String {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: `answer` allocates nothing and does not panic: there is room for as many frames as it takes. The only lock that walking a
        // stack may take is the loader's, which its owner may take again, and others give back.
        let registered = unsafe { signal_hook_registry::register(libc::SIGUSR2, answer) };
        // Without it the signal would end the process.
        registered.expect("this signal can be handled");
    });
    let mut text = String::new();
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return "this system does not list threads\n".to_owned();
    };
    let mut threads: Vec<libc::pid_t> = tasks
        .flatten()
        .filter_map(|task| task.file_name().to_str()?.parse().ok())
        .collect();
    threads.sort_unstable();
    // SAFETY: It asks the system for a number.
    let me = unsafe { libc::gettid() };
    for thread in threads.into_iter().filter(|thread| *thread != me) {
        let name = fs::read_to_string(format!("/proc/self/task/{thread}/comm"));
        let _ = writeln!(text, "thread {thread} {}:", name.unwrap_or_default().trim());
        match asked(thread) {
            Ok(count) => {
                for frame in &FRAMES[..count] {
                    // ORDERING: Relaxed. `asked` has seen the answer.
                    write_frame(&mut text, frame.load(Ordering::Relaxed));
                }
            }
            Err(error) => {
                let _ = writeln!(text, "  {error}");
                if error.kind() == io::ErrorKind::TimedOut {
                    // It may do so while another one is asked.
                    let _ = writeln!(text, "the others are not asked");
                    break;
                }
            }
        }
    }
    text
}

/// Asks a thread for its stack: how many frames it has.
fn asked(thread: libc::pid_t) -> io::Result<usize> {
    // ORDERING: Relaxed. The system call orders it before the answer.
    ANSWER.store(0, Ordering::Relaxed);
    let process = libc::pid_t::try_from(process::id()).map_err(io::Error::other)?;
    // SAFETY: The signal is handled, and the numbers are what the system call takes.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR2) };
    if sent != 0 {
        return Err(io::Error::last_os_error());
    }
    let begun = Instant::now();
    loop {
        // ORDERING: Acquire, for the frames.
        let answer = ANSWER.load(Ordering::Acquire);
        if answer > 0 {
            return Ok(answer - 1);
        }
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "it does not answer",
            ));
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn write_frame(text: &mut String, at: *mut c_void) {
    let mut is_known = false;
    // The address is where the call returns to: the call is before it.
    backtrace::resolve(at.wrapping_byte_sub(1), |symbol| {
        let Some(name) = symbol.name() else { return };
        is_known = true;
        let _ = write!(text, "  {name:#}");
        if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
            let _ = write!(text, " ({}:{line})", file.display());
        }
        text.push('\n');
    });
    if !is_known {
        let _ = writeln!(text, "  {at:p}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[inline(never)]
    fn waits_for_a_word(words: &mpsc::Receiver<()>) {
        let _ = words.recv();
    }

    #[inline(never)]
    fn spins_until_told(words: &mpsc::Receiver<()>) {
        while words.try_recv().is_err() {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn threads_that_sleep_and_threads_that_run_show_where() {
        let calls: [fn(&mpsc::Receiver<()>); 2] = [waits_for_a_word, spins_until_told];
        let threads = calls.map(|call| {
            let (word, words) = mpsc::channel();
            let (begun, begins) = mpsc::channel();
            let thread = thread::spawn(move || {
                begun.send(()).expect("the test waits for it");
                call(&words);
            });
            begins.recv().expect("it begins");
            (thread, word)
        });
        thread::sleep(Duration::from_millis(50));
        let text = of_all_threads();
        for (thread, word) in threads {
            word.send(()).expect("it still waits");
            thread.join().expect("it ends well");
        }
        assert!(text.contains("waits_for_a_word"), "{text}");
        assert!(text.contains("spins_until_told"), "{text}");
    }
}
