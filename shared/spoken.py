"""Languages that Whisper hears: what clients call them, what engines call them, and what OpenAI's answers call them.

Source: `LANGUAGES` and `TO_LANGUAGE_CODE` of OpenAI's whisper (tokenizer.py).
"""

from __future__ import annotations

from shared.nearest import did_you_mean

#: Code and name; a hyphen is a space.
_TABLE = """
af=afrikaans am=amharic ar=arabic as=assamese az=azerbaijani ba=bashkir be=belarusian bg=bulgarian bn=bengali
bo=tibetan br=breton bs=bosnian ca=catalan cs=czech cy=welsh da=danish de=german el=greek en=english es=spanish
et=estonian eu=basque fa=persian fi=finnish fo=faroese fr=french gl=galician gu=gujarati ha=hausa haw=hawaiian
he=hebrew hi=hindi hr=croatian ht=haitian-creole hu=hungarian hy=armenian id=indonesian is=icelandic it=italian
ja=japanese jw=javanese ka=georgian kk=kazakh km=khmer kn=kannada ko=korean la=latin lb=luxembourgish ln=lingala
lo=lao lt=lithuanian lv=latvian mg=malagasy mi=maori mk=macedonian ml=malayalam mn=mongolian mr=marathi ms=malay
mt=maltese my=myanmar ne=nepali nl=dutch nn=nynorsk no=norwegian oc=occitan pa=punjabi pl=polish ps=pashto
pt=portuguese ro=romanian ru=russian sa=sanskrit sd=sindhi si=sinhala sk=slovak sl=slovenian sn=shona so=somali
sq=albanian sr=serbian su=sundanese sv=swedish sw=swahili ta=tamil te=telugu tg=tajik th=thai tk=turkmen
tl=tagalog tr=turkish tt=tatar uk=ukrainian ur=urdu uz=uzbek vi=vietnamese yi=yiddish yo=yoruba yue=cantonese
zh=chinese
"""
_NAMES = {code: name.replace("-", " ") for code, _, name in (word.partition("=") for word in _TABLE.split())}
_OTHERWISE = {
    "burmese": "my",
    "castilian": "es",
    "flemish": "nl",
    "haitian": "ht",
    "letzeburgesch": "lb",
    "mandarin": "zh",
    "moldavian": "ro",
    "moldovan": "ro",
    "panjabi": "pa",
    "pushto": "ps",
    "sinhalese": "si",
    "valencian": "ca",
    # ISO 639-1 has them otherwise than Whisper.
    "jv": "jw",
    "nb": "no",
}
_CODES = {name: code for code, name in _NAMES.items()} | _OTHERWISE


def code_of(said: str) -> str:
    """The engine's code for `de`, `DE`, `de-AT` or `German`. Raises ValueError with the nearest names."""
    word = said.strip().lower()
    for candidate in (word, word.replace("_", "-").partition("-")[0]):
        if candidate in _NAMES:
            return candidate
        if candidate in _CODES:
            return _CODES[candidate]
    raise ValueError(f"{said!r} is no language that is known; {did_you_mean(word, [*_NAMES.values(), *_NAMES])}")


def name_of(code: str) -> str:
    """`german` for `de`; what is not known stays as it is."""
    return _NAMES.get(code, code)
