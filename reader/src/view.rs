//! What is live now: by process, by device, and by kind of allocation. `ttmem top` shows it, and `ttmem serve` serves it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use ttmem_ledger::{Headroom, Ledger, Totals};
use ttmem_wire::Memory;

use crate::{CallSite, Session, SiteStyle, Symbols, sites::TensorText};

/// The name of the schema of its JSON.
pub(crate) const SCHEMA: &str = "ttmem-top/1";

/// All processes that run, at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// By their live bytes, the most first.
    pub processes: Vec<ProcessView>,
    /// By id.
    pub devices: Vec<DeviceView>,
    /// By bytes, the most first. Shared: a picture is made ten times as often as they are counted.
    #[serde(serialize_with = "as_list")]
    pub kinds: Arc<[KindView]>,
    /// What the devices have, whichever process uses them.
    #[serde(skip)]
    pub(crate) capacities: Capacities,
}

/// Bytes of a bank of each memory whose size is known, and how many banks the device has, where that is known.
pub(crate) type Capacities = BTreeMap<(i32, Memory), (u64, Option<u32>)>;

/// A process.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessView {
    /// For display.
    pub pid: u32,
    /// Program and arguments.
    pub command: String,
    /// Its rank among the processes of one job, where it has one.
    pub rank: Option<u32>,
    /// Events that it reported.
    pub events: u64,
    /// Events that found no room.
    pub lost: u64,
    /// Whether every event is in the sums.
    pub is_exact: bool,
    /// Why not.
    pub why: Option<String>,
    /// What it holds over all devices, program memory left out.
    pub live_bytes: u64,
    /// The devices that it used.
    pub devices: Vec<i32>,
    /// Its sums by device and memory.
    #[serde(skip)]
    pub books: Vec<(i32, Memory, Totals)>,
    /// What its programs take of the fullest core of each device.
    #[serde(skip)]
    pub program_bytes: Vec<(i32, u64)>,
    /// What is left beside what it holds, once that was asked for.
    #[serde(skip)]
    pub headroom: Vec<(i32, Memory, Headroom)>,
}

/// A device.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceView {
    /// Its id.
    pub device_id: i32,
    /// Its memories.
    pub memory: Vec<DeviceMemory>,
    /// What live programs take of its fullest core: the union of circular buffers, dataflow buffers and scratchpads.
    pub program_bytes: u64,
    /// The processes that hold something of it.
    pub pids: Vec<u32>,
    /// Whether every event of these processes is in the sums.
    pub is_exact: bool,
}

/// A memory of a device, over all processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct DeviceMemory {
    /// Which memory.
    #[serde(serialize_with = "as_text")]
    pub memory: Memory,
    /// Bytes that are live.
    pub live_bytes: u64,
    /// Allocations that are live.
    pub live_buffers: u64,
    /// Bytes live in each bank, where known.
    pub live_bytes_per_bank: Option<u64>,
    /// The sum of the processes' peaks.
    pub peak_bytes: u64,
    /// Bytes of each bank that the allocator has, known once it was seen.
    pub capacity_per_bank: Option<u64>,
    /// The same of all banks of the device.
    pub capacity_bytes: Option<u64>,
    /// Of these, what no process holds.
    pub free_bytes: Option<u64>,
}

/// Live allocations of one memory, call site and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KindView {
    /// Whose.
    pub pid: u32,
    /// In which memory.
    #[serde(serialize_with = "as_text")]
    pub memory: Memory,
    /// Bytes of one.
    pub size: u64,
    /// The call site, as its op and its frames, innermost first; empty where it is not known.
    #[serde(flatten, serialize_with = "op_and_frames")]
    pub site: Arc<CallSite>,
    /// The number of the call site in its process.
    #[serde(skip)]
    pub site_id: u32,
    /// The tensor that one of them was made for, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
    /// How many, over all devices.
    #[serde(rename = "regions")]
    pub allocations: u64,
    /// Their bytes.
    pub bytes: u64,
}

fn as_text<S: Serializer>(memory: &Memory, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(memory)
}

fn as_list<S: Serializer>(kinds: &Arc<[KindView]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(kinds.iter())
}

fn op_and_frames<S: Serializer>(site: &CallSite, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("op", &site.op.as_deref())?;
    map.serialize_entry("site", &site.texts())?;
    map.end()
}

impl View {
    /// What these processes hold; `kinds` were counted before, since counting them takes longer.
    pub fn new(sessions: &[Session], kinds: Arc<[KindView]>) -> Self {
        let mut processes: Vec<ProcessView> = sessions.iter().map(process).collect();
        processes.sort_by_key(|process| std::cmp::Reverse(process.live_bytes));
        Self::of(processes, kinds, capacities(sessions))
    }

    pub(crate) fn of(processes: Vec<ProcessView>, kinds: Arc<[KindView]>, capacities: Capacities) -> Self {
        let devices = devices(&processes, &capacities);
        Self { schema: SCHEMA, processes, devices, kinds, capacities }
    }

    /// The same of these processes alone.
    #[must_use]
    pub(crate) fn only(&self, is_wanted: impl Fn(&ProcessView) -> bool) -> Self {
        let processes: Vec<ProcessView> = self.processes.iter().filter(|one| is_wanted(one)).cloned().collect();
        let is_theirs = |kind: &&KindView| processes.iter().any(|process| process.pid == kind.pid);
        let kinds = self.kinds.iter().filter(is_theirs).cloned().collect();
        Self::of(processes, kinds, self.capacities.clone())
    }

    /// Replays what each process holds for what it leaves free.
    pub(crate) fn look_for_headroom(&mut self, sessions: &[Session]) {
        for session in sessions {
            let (pid, ledger) = (session.header().pid, session.ledger());
            if let Some(process) = self.processes.iter_mut().find(|process| process.pid == pid) {
                let used = ledger.memories().into_iter();
                let left = used.filter_map(|(device, memory)| Some((device, memory, ledger.headroom(device, memory)?)));
                process.headroom = left.collect();
            }
        }
    }

    /// Live bytes of a memory over all devices.
    pub fn live_bytes(&self, memory: Memory) -> u64 {
        let memories = self.devices.iter().flat_map(|device| &device.memory);
        memories.filter(|one| one.memory == memory).fold(0, |sum, one| sum.saturating_add(one.live_bytes))
    }

    /// What all devices have of a memory, where it is known of each.
    pub(crate) fn capacity(&self, memory: Memory) -> Option<u64> {
        let of = |device: &DeviceView| device.memory.iter().find(|one| one.memory == memory)?.capacity_bytes;
        let all: Option<Vec<u64>> = self.devices.iter().map(of).collect();
        all.filter(|all| !all.is_empty()).map(|all| all.into_iter().fold(0, u64::saturating_add))
    }
}

/// Call sites with their names, each made once.
#[derive(Debug, Default)]
pub(crate) struct SiteNames {
    symbols: Symbols,
    named: HashMap<(u128, u32), Arc<CallSite>>,
}

impl SiteNames {
    pub(crate) fn site(&mut self, session: &Session, site: u32) -> Arc<CallSite> {
        let known = self.named.entry((session.header().ring_id, site)).or_default();
        if known.frames.is_empty() {
            // One that could not be read yet is looked for again.
            let found = session.account().sites().call_site(site, SiteStyle::default(), &mut self.symbols);
            *known = Arc::new(found.unwrap_or_default());
        }
        known.clone()
    }
}

#[derive(Default)]
struct Counted {
    allocations: u64,
    bytes: u64,
    /// The latest that one of them was made for.
    tensor: u32,
}

/// The kinds of live allocations, at most `most` of each process.
pub(crate) fn kinds(sessions: &[Session], most: usize, names: &mut SiteNames) -> Vec<KindView> {
    names.named.retain(|(ring, _), _| sessions.iter().any(|session| session.header().ring_id == *ring));
    let mut all = Vec::new();
    for session in sessions {
        let mut counts: HashMap<(Memory, u64, u32), Counted> = HashMap::new();
        for region in session.ledger().iter_live() {
            let counted = counts.entry((region.memory, region.size, region.site)).or_default();
            counted.allocations += 1;
            counted.bytes = counted.bytes.saturating_add(region.size);
            counted.tensor = counted.tensor.max(region.tensor);
        }
        let pid = session.header().pid;
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|((memory, size, site), counted)| (std::cmp::Reverse(counted.bytes), *memory, *size, *site));
        counts.truncate(most);
        all.extend(counts.into_iter().map(|((memory, size, site), counted)| KindView {
            pid,
            memory,
            size,
            site: names.site(session, site),
            site_id: site,
            tensor: session.account().sites().tensor(counted.tensor).map(|one| TensorText(&one).to_string()),
            allocations: counted.allocations,
            bytes: counted.bytes,
        }));
    }
    all.sort_by_key(|kind| (std::cmp::Reverse(kind.bytes), kind.pid, kind.memory, kind.size));
    all
}

fn process(session: &Session) -> ProcessView {
    let header = session.header();
    let books = session.ledger().totals();
    let buffers = books.iter().filter(|(_, memory, _)| !memory.is_of_programs());
    let mut devices: Vec<i32> = books.iter().map(|&(device, ..)| device).collect();
    devices.dedup();
    let (lost, elsewhere) = (session.lost(), session.taken_elsewhere());
    let why = if elsewhere > 0 {
        Some(format!("another reader took {elsewhere} of its events: what it allocated before is not in the sums"))
    } else {
        (lost > 0).then(|| format!("{lost} of its events were lost"))
    };
    ProcessView {
        pid: header.pid,
        command: header.command.join(" "),
        rank: session.account().facts().rank,
        events: session.reported(),
        lost,
        is_exact: why.is_none(),
        why,
        live_bytes: buffers.fold(0, |sum, (_, _, totals)| sum.saturating_add(totals.live_bytes)),
        program_bytes: devices.iter().map(|&device| (device, program_bytes(session.ledger(), device))).collect(),
        devices,
        books,
        headroom: Vec::new(),
    }
}

/// As their allocators were made, else as a refusal counted them.
fn capacities(sessions: &[Session]) -> Capacities {
    let mut capacities = Capacities::new();
    for refused in sessions.iter().flat_map(|session| session.ledger().out_of_memory()) {
        let Some((space, live)) = refused.space.zip(refused.live_bytes_per_bank) else { continue };
        for &device in &refused.devices {
            capacities.insert((device, refused.memory), (space.free.saturating_add(live), None));
        }
    }
    for session in sessions {
        for key in session.ledger().memories() {
            if let Some(bank) = session.ledger().bank(key.0, key.1) {
                capacities.insert(key, (bank.bytes, Some(bank.banks)));
            }
        }
    }
    capacities
}

fn devices(processes: &[ProcessView], capacities: &Capacities) -> Vec<DeviceView> {
    let mut devices: BTreeMap<i32, DeviceView> = BTreeMap::new();
    for process in processes {
        for &(device_id, memory, totals) in &process.books {
            let empty =
                || DeviceView { device_id, memory: Vec::new(), program_bytes: 0, pids: Vec::new(), is_exact: true };
            let device = devices.entry(device_id).or_insert_with(empty);
            if totals.live_buffers > 0 && !device.pids.contains(&process.pid) {
                device.pids.push(process.pid);
            }
            device.is_exact &= process.is_exact;
            let here = DeviceMemory {
                memory,
                live_bytes: totals.live_bytes,
                live_buffers: totals.live_buffers,
                live_bytes_per_bank: totals.live_bytes_per_bank,
                peak_bytes: totals.peak_bytes,
                capacity_per_bank: capacities.get(&(device_id, memory)).map(|capacity| capacity.0),
                capacity_bytes: None,
                free_bytes: None,
            };
            match device.memory.iter_mut().find(|one| one.memory == memory) {
                Some(all) => {
                    all.live_bytes = all.live_bytes.saturating_add(here.live_bytes);
                    all.live_buffers += here.live_buffers;
                    all.peak_bytes = all.peak_bytes.saturating_add(here.peak_bytes);
                    let both = all.live_bytes_per_bank.zip(here.live_bytes_per_bank);
                    all.live_bytes_per_bank = both.map(|(one, other)| one.saturating_add(other));
                }
                None => device.memory.push(here),
            }
        }
    }
    for device in devices.values_mut() {
        let of_programs = processes.iter().flat_map(|process| &process.program_bytes);
        let here = of_programs.filter(|of_device| of_device.0 == device.device_id);
        device.program_bytes = here.fold(0, |sum, of_device| sum.saturating_add(of_device.1));
        for one in &mut device.memory {
            if let Some(&(capacity, Some(banks))) = capacities.get(&(device.device_id, one.memory)) {
                let (banks, in_use) = (u64::from(banks), one.live_bytes_per_bank);
                one.capacity_bytes = Some(capacity.saturating_mul(banks));
                one.free_bytes = in_use.map(|in_use| capacity.saturating_sub(in_use).saturating_mul(banks));
            }
        }
    }
    let mut devices: Vec<DeviceView> = devices.into_values().collect();
    devices.iter_mut().for_each(|device| device.memory.sort_by_key(|one| one.memory));
    devices
}

/// What programs take of the fullest core of a device. The union over kinds is made where there are several.
fn program_bytes(ledger: &Ledger, device: i32) -> u64 {
    let totals = Memory::OF_PROGRAMS.map(|memory| ledger.live_bytes_of(device, memory));
    match totals.iter().filter(|&&bytes| bytes > 0).count() {
        0 | 1 => totals.into_iter().sum(),
        _ => ledger.l1_pressure(device).map_or(0, |pressure| pressure.program_bytes),
    }
}
