//! The password of a demonstration: a few words that can be read off one screen and typed into another. Each start draws new
//! ones, so that a page which somebody left open elsewhere opens nothing here.

/// How many words: eight random bits each, 48 together.
const WORDS_DRAWN: usize = 6;

/// Draws a password from a source of randomness.
pub(super) fn draw(fill_random: &dyn Fn(&mut [u8])) -> String {
    let mut drawn = [0; WORDS_DRAWN];
    fill_random(&mut drawn);
    drawn.map(|byte| WORDS[usize::from(byte)]).join("-")
}

/// As many words as a byte has values, so that each is as likely as the others. Short, common, and far enough apart by ear.
#[rustfmt::skip]
const WORDS: [&str; 256] = [
    "able", "acid", "acorn", "actor", "adapt", "agent", "album", "alert", "alive", "amber", "angle", "ankle", "apple",
    "april", "apron", "arena", "arrow", "atlas", "attic", "aunt", "autumn", "baker", "ball", "bamboo", "barn",
    "basil", "beach", "bean", "bear", "beech", "bell", "berry", "birch", "bird", "blade", "blanket", "blue", "boat",
    "bold", "bone", "book", "border", "bottle", "bowl", "brave", "bread", "breeze", "brick", "bridge", "bright",
    "broom", "brush", "bucket", "bulb", "butter", "button", "cabin", "cable", "cactus", "camel", "camp", "candle",
    "canoe", "canvas", "card", "carpet", "carrot", "castle", "cedar", "chair", "chalk", "cheese", "cherry", "chess",
    "cinema", "circle", "clay", "cliff", "clock", "cloud", "clover", "coast", "coat", "cobalt", "cocoa", "coffee",
    "coin", "comet", "copper", "coral", "corn", "cotton", "couch", "cousin", "crane", "crayon", "cream", "cricket",
    "crisp", "crown", "cup", "curtain", "daisy", "dance", "dawn", "deck", "deer", "delta", "desert", "desk", "diary",
    "dolphin", "donkey", "door", "dove", "dragon", "dream", "drum", "duck", "eagle", "early", "earth", "east", "easy",
    "echo", "elbow", "ember", "engine", "fabric", "falcon", "farm", "feather", "fern", "ferry", "field", "fig",
    "finger", "flag", "flame", "flute", "foam", "forest", "fork", "fox", "frost", "fruit", "garden", "garlic", "gate",
    "giant", "ginger", "glass", "globe", "glove", "goat", "gold", "grape", "grass", "gravel", "green", "guitar",
    "hall", "hammer", "harbor", "harvest", "hat", "hazel", "hedge", "helmet", "herb", "hero", "hill", "honey", "horn",
    "horse", "hotel", "house", "igloo", "iron", "island", "ivory", "ivy", "jacket", "jam", "jelly", "jewel", "jolly",
    "juice", "jungle", "kettle", "key", "king", "kite", "kitten", "ladder", "lake", "lamp", "lantern", "laurel",
    "lava", "leaf", "lemon", "lentil", "letter", "level", "lilac", "lily", "lime", "linen", "lion", "lobster", "log",
    "lucky", "lunar", "magnet", "mango", "maple", "marble", "march", "market", "marsh", "meadow", "melon", "mint",
    "mirror", "mitten", "moon", "moss", "motor", "mouse", "music", "napkin", "needle", "nest", "noble", "north",
    "nutmeg", "oak", "oasis", "ocean", "olive", "onion", "orange", "orbit", "otter", "oven", "owl", "oyster", "paint",
    "palm", "panda", "paper", "parrot", "peach", "pear", "pebble",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_words_that_no_two_draws_are_likely_to_share() {
        assert_eq!(draw(&|bytes| bytes.copy_from_slice(&[0, 1, 2, 253, 254, 255])).split('-').count(), WORDS_DRAWN);
        let distinct: std::collections::BTreeSet<&str> = WORDS.into_iter().collect();
        assert_eq!(distinct.len(), 256, "a word that stands twice halves what it is worth");
        assert!(WORDS.iter().all(|word| word.len() <= 8 && word.bytes().all(|byte| byte.is_ascii_lowercase())));
        let drawn = || draw(&crate::system::fill_random);
        assert_ne!(drawn(), drawn());
    }
}
