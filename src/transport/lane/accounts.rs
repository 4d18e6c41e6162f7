//! The host's account of the calls in flight, which tells what the worker may send.

use std::collections::HashSet;

use super::spin::{add_busy_lane, remove_busy_lane};
use crate::transport::layout::{MAX_CALLS, Role, STREAM_WINDOW, Slot};
use crate::transport::violation::Violation;

/// One call's account.
#[derive(Clone, Copy, Default)]
struct Account {
    /// The generation that is awaited, or 0.
    generation: u32,
    /// The generation that was taken back last, or 0. An answer to it is late, and nobody waits for it.
    withdrawn: u32,
    /// The units that the worker may still send, if the result is a stream.
    result: Option<i64>,
    /// The units that the worker has asked for and not been sent, if the argument is a stream.
    argument: Option<i64>,
}

/// Calls in flight, by call id. Private, so that no worker can touch it.
#[derive(Default)]
pub struct Calls {
    accounts: Vec<Account>,
    in_flight: u32,
    /// Those whose abort bit is set.
    pub aborted: HashSet<u32>,
}

impl Calls {
    /// Enters a slot that is sent to the worker.
    pub fn sent(&mut self, slot: &Slot) {
        let role = slot.role();
        if matches!(role, Some(Role::Whole | Role::Stream)) {
            self.start(slot.call, slot.generation, (role == Some(Role::Stream)).then_some(0));
            return;
        }
        // The slot may be for a call that has just been answered.
        let Some(account) = self.account(slot.call, slot.generation) else { return };
        match (role, &mut account.result, &mut account.argument) {
            (Some(Role::Credit), Some(credit), _) => *credit += slot.credit().unwrap_or(0),
            (Some(Role::Item), _, Some(demand)) => *demand -= slot.units(),
            _ => {}
        }
    }

    fn start(&mut self, call: u32, generation: u32, argument: Option<i64>) {
        let index = call as usize;
        assert!(index < MAX_CALLS && generation != 0, "call {call} has no valid id");
        if index >= self.accounts.len() {
            self.accounts.resize(index + 1, Account::default());
        }
        let withdrawn = self.accounts[index].withdrawn;
        self.accounts[index] = Account { generation, withdrawn, result: None, argument };
        self.in_flight += 1;
        if self.in_flight == 1 {
            add_busy_lane();
        }
    }

    /// True while any call is in flight.
    pub fn any_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    fn account(&mut self, call: u32, generation: u32) -> Option<&mut Account> {
        self.accounts
            .get_mut(call as usize)
            .filter(|account| generation != 0 && account.generation == generation)
    }

    /// Enters that a call was taken back from the worker.
    pub fn withdraw(&mut self, call: u32) {
        if let Some(account) = self.accounts.get_mut(call as usize).filter(|account| account.generation != 0)
        {
            account.withdrawn = std::mem::take(&mut account.generation);
            self.end_one();
        }
    }

    fn end_one(&mut self) {
        self.in_flight -= 1;
        if self.in_flight == 0 {
            remove_busy_lane();
        }
    }

    /// Enters a slot that the worker has sent. False if it is for a call that was taken back: nobody waits for it. A
    /// violation unless exactly this call is in flight and expects such a slot.
    pub fn arrived(&mut self, slot: &Slot, role: Role) -> Result<bool, Violation> {
        let Some(account) = self.account(slot.call, slot.generation) else {
            return if self.is_withdrawn(slot) { Ok(false) } else { Err(Violation::UnknownCall) };
        };
        let credit = match (role, &mut account.result, &mut account.argument) {
            (Role::Whole, ..) => {
                account.generation = 0;
                self.end_one();
                return Ok(true);
            }
            (Role::Progress, ..) | (Role::Cancel, _, Some(_)) => return Ok(true),
            (Role::Stream, result @ None, _) => {
                *result = Some(i64::from(STREAM_WINDOW));
                return Ok(true);
            }
            (Role::Item, Some(credit), _) if *credit > 0 => Some((credit, -slot.units())),
            (Role::Item, Some(_), _) => None,
            (Role::Credit, _, Some(demand)) => slot
                .credit()
                .filter(|units| *demand + units <= i64::from(STREAM_WINDOW))
                .map(|units| (demand, units)),
            _ => return Err(Violation::Unexpected),
        };
        let (account, change) = credit.ok_or(Violation::Credit)?;
        *account += change;
        Ok(true)
    }

    fn is_withdrawn(&self, slot: &Slot) -> bool {
        slot.generation != 0
            && self
                .accounts
                .get(slot.call as usize)
                .is_some_and(|account| account.withdrawn == slot.generation)
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        if self.in_flight > 0 {
            remove_busy_lane();
        }
    }
}
