//! How many connections there are, in all and from each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use super::Limits;

/// Counts connections, in all and by address.
pub(super) struct Crowd {
    most: usize,
    most_per_peer: usize,
    present: Mutex<Present>,
}

#[derive(Default)]
struct Present {
    all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// A connection's place among the others; free again when dropped.
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    peer: IpAddr,
}

impl Crowd {
    pub(super) fn new(limits: &Limits) -> Crowd {
        Crowd { most: limits.connections, most_per_peer: limits.connections_per_peer, present: Mutex::default() }
    }

    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Seat> {
        let mut present = self.present.lock().expect("no holder of the lock panics");
        let of_peer = present.by_peer.get(&peer).copied().unwrap_or_default();
        if present.all >= self.most || of_peer >= self.most_per_peer {
            return None;
        }
        present.all += 1;
        present.by_peer.insert(peer, of_peer + 1);
        Some(Seat { crowd: Arc::clone(self), peer })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut present = self.crowd.present.lock().expect("no holder of the lock panics");
        present.all -= 1;
        if let Some(of_peer) = present.by_peer.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                present.by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_keep_the_others_out() {
        let crowd = Arc::new(Crowd::new(&Limits { connections: 3, connections_per_peer: 2, ..Limits::default() }));
        let [greedy, other, late] = [1, 2, 3].map(|last| IpAddr::from([127, 0, 0, last]));
        let seats = [crowd.enter(greedy), crowd.enter(greedy)];
        assert!(crowd.enter(greedy).is_none());
        let seat = crowd.enter(other);
        assert!(seat.is_some() && crowd.enter(late).is_none());
        drop(seats);
        assert!(crowd.enter(late).is_some());
        drop(seat);
        assert!(crowd.present.lock().unwrap().by_peer.is_empty());
    }
}
