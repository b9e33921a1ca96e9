//! All sources of a loop, between two releases of a device.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Now, Point, Rules, Seen, Series, Source, Trend,
    births::Births,
    census::{self, Census, Cohort, Devices},
    moments::{EXACT, Moments, SLICES},
    rule::{self, Case},
    track::{FAR, Track},
};
use crate::totals::is_count;

/// Sources that one loop tells apart; those without anything live make room for others.
const MAX_SOURCES: usize = 8192;
/// Looks of the warm-up, in which program caches fill: up to the first, and from there to the second.
const WARM_UP: u64 = 2;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Epoch {
    /// Whether there was another before.
    is_later: bool,
    looks: u64,
    moments: Moments,
    devices: Devices,
    tracks: BTreeMap<Source, Track>,
    first_ticks: u64,
    last_ticks: u64,
    /// What the looks before saw, see [`Now`].
    released: u64,
    frees: u64,
    /// What happened in each bin.
    activity: Vec<Activity>,
}

/// Allocations and frees of all sources in a bin.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Activity {
    pub(super) events: u64,
    pub(super) frees: u64,
}

impl Epoch {
    /// The one that begins where this one ends.
    pub(super) fn next(&self) -> Self {
        Self { is_later: true, devices: self.devices.clone(), ..Self::default() }
    }

    /// What lives now, by the generations of this epoch.
    pub(super) fn census(&mut self, live: impl Iterator<Item = Seen>) -> Census {
        census::take(live, &self.moments, &mut self.devices)
    }

    /// Whether a close released most of what lived at the last look.
    pub(super) fn was_released(&self, now: &Census, released: u64) -> bool {
        if self.looks == 0 || released <= self.released {
            return false;
        }
        let current = self.moments.current_bin();
        let any_size = |source: &Source| source.size.is_none();
        let before = self.tracks.iter().filter(|(source, _)| any_size(source));
        let before: u64 = before.map(|(_, track)| track.live().allocations).sum();
        let old = now.iter().filter(|(source, _)| any_size(source)).flat_map(|(_, cohorts)| cohorts);
        let old: u64 = old.filter(|cohort| cohort.bin < current).map(|cohort| cohort.amount.allocations).sum();
        old < before / 2
    }

    /// One look. Returns whether two generations became one.
    pub(super) fn look(&mut self, rules: Rules, census: &Census, now: Now, births: &Births) -> bool {
        let current = self.moments.current_bin();
        let counts_deaths = now.released == self.released;
        let is_warm_up = self.looks < WARM_UP;
        self.make_room(census);
        // Both are in the order of sources.
        let (mut census, mut new) = (census.iter().peekable(), Vec::new());
        for (source, track) in &mut self.tracks {
            while let Some(one) = census.next_if(|(other, _)| other < source) {
                new.push(one);
            }
            let cohorts = census.next_if(|(other, _)| other == source).map_or(&[][..], |(_, cohorts)| cohorts);
            see(rules, track, cohorts, current, counts_deaths);
        }
        for (source, cohorts) in new.into_iter().chain(census) {
            if self.tracks.len() < MAX_SOURCES {
                see(rules, self.tracks.entry(source).or_default(), cohorts, current, counts_deaths);
            }
        }
        self.note_births(births, is_warm_up);
        self.note_activity(current, now);
        if self.looks == 0 {
            self.first_ticks = now.ticks;
        }
        (self.last_ticks, self.released) = (now.ticks, now.released);
        self.looks += 1;
        self.push_moment(rules, now.ticks)
    }

    fn push_moment(&mut self, rules: Rules, ticks: u64) -> bool {
        let max = if rules == Rules::Time { SLICES } else { EXACT };
        let merged = self.moments.push(ticks, max);
        if merged.bins {
            self.tracks.values_mut().for_each(Track::merge_bins);
            let pairs = self.activity.chunks(2);
            self.activity = pairs
                .map(|pair| Activity {
                    events: pair.iter().map(|one| one.events).sum(),
                    frees: pair.iter().map(|one| one.frees).sum(),
                })
                .collect();
        }
        if merged.generations {
            let width = self.moments.bin_width();
            self.tracks.values_mut().for_each(|track| track.merge_generations(width));
            if rules == Rules::Time {
                self.moments.pace_is_halved();
            }
        }
        merged.generations
    }

    fn make_room(&mut self, census: &Census) {
        if self.tracks.len() + census.len() > MAX_SOURCES {
            self.tracks.retain(|source, track| !track.cohorts().is_empty() || census.has(source));
        }
    }

    fn note_births(&mut self, births: &Births, is_warm_up: bool) {
        let of_any_size = births.of_any_size();
        for (source, track) in &mut self.tracks {
            let births = if source.size.is_some() { births.of(source) } else { of_any_size(source) };
            track.note_births(births, is_warm_up, self.is_later);
        }
    }

    fn note_activity(&mut self, current: u32, now: Now) {
        self.activity.resize(current as usize + 1, Activity::default());
        let activity = &mut self.activity[current as usize];
        activity.events += now.events;
        activity.frees += now.frees.saturating_sub(self.frees);
        self.frees = now.frees;
    }

    pub(super) fn looks(&self) -> u64 {
        self.looks
    }

    /// Of time, the slices that are told apart.
    fn iterations(&self, rules: Rules) -> u64 {
        let moments = if rules == Rules::Time { self.moments.count() } else { self.looks };
        moments.saturating_sub(1)
    }

    fn case(&self, rules: Rules) -> Case<'_> {
        Case {
            rules,
            looks: self.looks,
            iterations: self.iterations(rules),
            moments: &self.moments,
            activity: &self.activity,
            ticks: self.last_ticks.saturating_sub(self.first_ticks),
        }
    }

    /// The most generations that a source keeps, other than the program cache.
    pub(super) fn generations_kept(&self, rules: Rules) -> u64 {
        let case = self.case(rules);
        let judged = self.tracks.iter().filter(|(source, _)| !source.cached);
        judged.map(|(_, track)| rule::generations_kept(track, &case)).max().unwrap_or_default()
    }

    /// What each source does.
    fn trends(&self, rules: Rules) -> Vec<Trend> {
        let case = self.case(rules);
        let trend = |(&source, track): (&Source, &Track)| {
            let judged = rule::judge(track, &case);
            let kept = judged.devices;
            let devices = if kept == 0 { track.cohorts().iter().fold(0, |all, one| all | one.devices) } else { kept };
            Trend {
                source,
                course: judged.course,
                live: track.live(),
                allocations_per_iteration: judged.allocations_per_iteration,
                bytes_per_iteration: judged.bytes_per_iteration,
                generations: judged.generations,
                births_kept: judged.kept,
                births: track.births().max(judged.kept),
                devices: self.devices.named(devices),
            }
        };
        self.tracks.iter().map(trend).collect()
    }

    pub(super) fn series(&self, point: Point, rules: Rules) -> Series {
        Series {
            point,
            looks: self.looks,
            iterations: self.iterations(rules),
            ticks: self.last_ticks.saturating_sub(self.first_ticks),
            trends: self.trends(rules),
        }
    }

    pub(super) fn sites(&self) -> impl Iterator<Item = u32> {
        self.tracks.keys().map(|source| source.site)
    }

    pub(super) fn is_sound(&self) -> bool {
        // First: the bins of moments that are not sound can't be had.
        if !self.moments.is_sound() {
            return false;
        }
        let current = self.moments.current_bin();
        self.devices.are_sound()
            && self.tracks.len() <= MAX_SOURCES
            && self.tracks.values().all(|track| track.is_sound(current))
            && self.activity.len() <= current as usize + 1
            && self.activity.iter().all(|one| one.events < FAR && one.frees < FAR)
            && [self.looks, self.released, self.frees].into_iter().all(is_count)
    }
}

fn see(rules: Rules, track: &mut Track, cohorts: &[Cohort], current: u32, counts_deaths: bool) {
    if rules == Rules::Amounts {
        let mut now = Cohort { bin: current, generations: 1, ..Cohort::default() };
        for cohort in cohorts {
            now.amount.add_all(cohort.amount);
            now.devices |= cohort.devices;
        }
        track.compare(now, counts_deaths);
    } else {
        track.look(cohorts, current, counts_deaths);
    }
}
