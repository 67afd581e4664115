//! How often samples are taken, so that the program does not stand still for too long.

use std::time::Duration;

/// The interval at which stops of `pause` take at most `share` (1.0 is all) of the program's time; never
/// shorter than `interval`.
pub fn interval_within(interval: Duration, pause: Duration, share: f64) -> Duration {
    if !(share > 0.0 && share < 1.0) {
        return interval;
    }
    let needed = Duration::try_from_secs_f64(pause.as_secs_f64() / share);
    interval.max(needed.unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept() {
        let ms = Duration::from_millis;
        assert_eq!(interval_within(ms(1_000), ms(5), 0.01), ms(1_000));
        assert_eq!(interval_within(ms(1_000), ms(50), 0.01), ms(5_000));
        for none in [0.0, 1.0, -1.0, f64::NAN] {
            assert_eq!(interval_within(ms(1_000), ms(50), none), ms(1_000));
        }
    }
}
