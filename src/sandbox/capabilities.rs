//! Dropping every capability for good.
//!
//! The bounding set and the secure bits keep root from getting any by exec; without the right to change them
//! `no_new_privs` does.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
};

/// Makes root a user like any other, for good.
const LOCKED: CapabilitiesSecureBits = CapabilitiesSecureBits::NO_ROOT
    .union(CapabilitiesSecureBits::NO_ROOT_LOCKED)
    .union(CapabilitiesSecureBits::NO_SETUID_FIXUP)
    .union(CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED)
    .union(CapabilitiesSecureBits::KEEP_CAPS_LOCKED)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED);

/// Drops all capabilities that this process has or could get. The error is a sentence.
pub fn drop_all() -> Result<(), String> {
    let failed = |what: &str, errno: Errno| format!("{what}: {errno}");
    let now = capabilities(None).map_err(|errno| failed("the capabilities cannot be read", errno))?;
    if now.effective.contains(CapabilitySet::SETPCAP) {
        for number in 0..u64::BITS {
            match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
                Ok(()) => {}
                // Numbers from here on mean nothing to this kernel.
                Err(Errno::INVAL) => break,
                Err(errno) => return Err(failed("the capabilities' bounding set cannot be emptied", errno)),
            }
        }
        set_capabilities_secure_bits(LOCKED)
            .map_err(|errno| failed("the secure bits cannot be set", errno))?;
    }
    clear_ambient_capability_set()
        .map_err(|errno| failed("the ambient capabilities cannot be dropped", errno))?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(|errno| failed("the capabilities cannot be dropped", errno))?;
    set_no_new_privs(true).map_err(|errno| failed("no_new_privs cannot be set", errno))
}
