//! Invented names of people in several languages.

use super::random::Rng;

/// First and family names that go together.
struct Language {
    first: &'static [&'static str],
    family: &'static [&'static str],
    /// Whether the family name comes first.
    family_first: bool,
}

const LANGUAGES: [&Language; 10] = [
    &Language {
        first: &[
            "Ada", "Grace", "Oliver", "Maya", "Theo", "Imogen", "Callum", "Naomi", "Rupert", "Hattie", "Desmond",
            "Freya",
        ],
        family: &[
            "Ashworth",
            "Bellweather",
            "Crane",
            "Dunmore",
            "Elling",
            "Fairbrook",
            "Greaves",
            "Hollis",
            "Kestrel",
            "O'Rourke",
        ],
        family_first: false,
    },
    &Language {
        first: &["Anneke", "Jürgen", "Käthe", "Björn", "Ulrike", "Matthias", "Sönke", "Heike", "Torben", "Liesel"],
        family: &[
            "Brückner",
            "Dörfler",
            "Eichwald",
            "Großkopf",
            "Hübschmann",
            "Kranich",
            "Möllendorf",
            "Sauerbier",
            "Weißbach",
            "von der Aue",
        ],
        family_first: false,
    },
    &Language {
        first: &["Łukasz", "Zofia", "Kacper", "Agnieszka", "Wojciech", "Małgorzata", "Paweł", "Bożena"],
        family: &["Wiśniewicz", "Kowalczuk", "Zieliniak", "Dąbrowa", "Jaskółka", "Świetlik", "Żuraw", "Gołębiak"],
        family_first: false,
    },
    &Language {
        first: &["José", "Lucía", "Álvaro", "Inés", "Ramón", "Begoña", "Íñigo", "Pilar"],
        family: &[
            "Peñalver",
            "Ibáñez Soto",
            "Quiroga",
            "Valdearcos",
            "Montesinos",
            "Zúñiga",
            "Albarracín",
            "Cienfuegos",
        ],
        family_first: false,
    },
    &Language {
        first: &["Aarav", "Diya", "Kabir", "Meera", "Rohan", "Ananya", "Vikram", "Ishita"],
        family: &[
            "Bhattacharjee",
            "Chandrasekhar",
            "Deshmukh",
            "Iyengar",
            "Kulkarni",
            "Mukhopadhyay",
            "Rathore",
            "Subramaniam",
        ],
        family_first: false,
    },
    &Language {
        first: &["Maricel", "Jun", "Althea", "Rogelio", "Jasmine", "Crisanto", "Liwayway", "Dodong"],
        family: &[
            "Bautista",
            "Catacutan",
            "Dimaculangan",
            "Evangelista",
            "Macaraeg",
            "Pangilinan",
            "Salonga",
            "Villaruz",
        ],
        family_first: false,
    },
    &Language {
        first: &["Élodie", "Thibault", "Océane", "François", "Maëlys", "Gaëtan", "Zoé", "Anaïs"],
        family: &["Beaulieu", "Château-Renard", "d'Estienne", "Lefèvre", "Noël", "Rousselet", "Vaucluse", "Pâquet"],
        family_first: false,
    },
    &Language {
        first: &["Elif", "Çağlar", "Gül", "İsmail", "Şebnem", "Tuğba", "Yiğit", "Ömer"],
        family: &["Akçay", "Bozkır", "Çelebioğlu", "Güneşli", "Karadağ", "Özyürek", "Şahinbaş", "Yıldızhan"],
        family_first: false,
    },
    &Language {
        first: &["さくら", "花子", "陽翔", "健太", "美咲", "蓮"],
        family: &["佐々木", "藤原", "小鳥遊", "長谷川", "月見里", "渡会"],
        family_first: true,
    },
    &Language {
        first: &["Thị Hương", "Văn Dũng", "Minh Châu", "Quốc Bảo", "Thùy Linh", "Anh Tuấn"],
        family: &["Nguyễn", "Trần", "Phạm", "Đặng", "Huỳnh", "Bùi"],
        family_first: true,
    },
];

/// An invented name.
pub(super) fn person_name(rng: &mut Rng) -> String {
    let [fallback, ..] = LANGUAGES;
    let language = rng.choose(&LANGUAGES, fallback);
    let first = rng.choose(language.first, "Ada");
    let family = rng.choose(language.family, "Crane");
    if language.family_first { format!("{family} {first}") } else { format!("{first} {family}") }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_vary() {
        let mut rng = Rng::new(3);
        let names: HashSet<_> = (0..240).map(|_| person_name(&mut rng)).collect();
        assert!(names.len() > 180, "{}", names.len());
    }
}
