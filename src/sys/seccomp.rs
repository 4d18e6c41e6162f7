//! Whether the kernel has seccomp, which nix can't ask.

/// True if there are filters of system calls at all.
pub fn is_available() -> bool {
    // A kernel without them answers that it does not know the question.
    rustix::thread::secure_computing_mode().is_ok()
}
