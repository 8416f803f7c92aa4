//! Packs dots into blocks and into folded chains.

/// The space between two dots of a block.
const GAP: f64 = 3.0;

/// A dot within a shape. Zero is the middle of the shape's upper edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dot {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) radius: f64,
    /// The first of the shape's members that it stands for, and how many it does.
    pub(super) first: usize,
    pub(super) count: usize,
}

/// Dots, and the width and height that they take.
pub(super) struct Packed {
    pub(super) dots: Vec<Dot>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A number of things that is not negative.
pub(super) fn whole(number: f64) -> usize {
    usize::try_from(number.ceil() as i64).unwrap_or_default()
}

/// The radius for each `per` members: that of the average of their areas.
fn radii(members: &[f64], per: usize) -> Vec<f64> {
    members
        .chunks(per.max(1))
        .map(|chunk| {
            let area: f64 = chunk.iter().map(|radius| radius * radius).sum();
            (area / chunk.len() as f64).sqrt()
        })
        .collect()
}

/// Rows of dots, about `aspect` times as wide as high, or of just the width `wide`. The largest come first if `members`
/// are ordered like that.
pub(super) fn rows(members: &[f64], per: usize, aspect: f64, wide: Option<f64>) -> Packed {
    let per = per.max(1);
    let radii = radii(members, per);
    let area: f64 = radii.iter().map(|r| (2.0 * r + GAP).powi(2)).sum();
    let largest = radii.iter().copied().fold(0.0, f64::max);
    let wide = wide
        .unwrap_or((area * aspect).sqrt())
        .max(2.0 * largest + 0.1);
    let mut dots: Vec<Dot> = Vec::with_capacity(radii.len());
    let (mut width, mut top) = (0.0_f64, 0.0);
    let mut next = 0;
    while next < radii.len() {
        let start = dots.len();
        let mut right = 0.0;
        let mut high = 0.0_f64;
        while let Some(radius) = radii.get(next) {
            if dots.len() > start && right + 2.0 * radius > wide + 0.5 {
                break;
            }
            dots.push(Dot {
                x: right + radius,
                y: 0.0,
                radius: *radius,
                first: next * per,
                count: per.min(members.len() - next * per),
            });
            right += 2.0 * radius + GAP;
            high = high.max(2.0 * radius);
            next += 1;
        }
        for dot in &mut dots[start..] {
            dot.y = top + high / 2.0;
        }
        width = width.max(right - GAP);
        top += high + GAP;
    }
    for dot in &mut dots {
        dot.x -= width / 2.0;
    }
    Packed {
        dots,
        width,
        height: (top - GAP).max(0.0),
    }
}

/// A chain, folded: the first row goes to the right, the second to the left.
pub(super) fn folded(members: &[f64], per: usize) -> Packed {
    let per = per.max(1);
    let radii = radii(members, per);
    let largest = radii.iter().copied().fold(0.0, f64::max);
    let cell = 2.0 * largest + 2.0 * GAP;
    let columns = whole((radii.len() as f64 * 1.5).sqrt());
    let columns = columns.clamp(1, radii.len().max(1));
    let rows = radii.len().div_ceil(columns);
    let width = cell * columns as f64;
    let dots = radii
        .iter()
        .enumerate()
        .map(|(index, radius)| {
            let (row, mut column) = (index / columns, index % columns);
            if row % 2 == 1 {
                column = columns - 1 - column;
            }
            Dot {
                x: (column as f64 + 0.5) * cell - width / 2.0,
                y: (row as f64 + 0.5) * cell,
                radius: *radius,
                first: index * per,
                count: per.min(members.len() - index * per),
            }
        })
        .collect();
    Packed {
        dots,
        width,
        height: cell * rows as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_keep_apart() {
        let radii: Vec<f64> = (0..100)
            .rev()
            .map(|index| 3.0 + f64::from(index) / 12.0)
            .collect();
        for packed in [rows(&radii, 1, 2.0, None), folded(&radii, 1)] {
            assert_eq!(packed.dots.len(), 100);
            for (index, a) in packed.dots.iter().enumerate() {
                assert!(a.x.abs() + a.radius <= packed.width / 2.0 + 0.01);
                assert!(a.y - a.radius >= -0.01 && a.y + a.radius <= packed.height + 0.01);
                for b in &packed.dots[..index] {
                    let distance = (a.x - b.x).hypot(a.y - b.y);
                    assert!(distance >= a.radius + b.radius, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn dots_stand_for_several() {
        let packed = rows(&[2.0; 25], 10, 1.0, None);
        let counts: Vec<usize> = packed.dots.iter().map(|dot| dot.count).collect();
        assert_eq!(counts, [10, 10, 5]);
    }
}
