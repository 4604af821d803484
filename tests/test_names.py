from pneumonia.names import LONGEST, fitting, printable, spell, spell_paths, utf8


def test_what_is_printable_stays_and_the_rest_is_escaped():
    for name in ("胸部.png", "é", "back\\slash", "$^1_$", "<script>", " blank ", "a\u3000b"):
        assert printable(name) == utf8(name) == name
    assert utf8("\udce9 \ud800 \n") == "\\xe9 \\ud800 \n"
    assert printable("\udce9\n\t\x1b\x7f\x85\u2028\u202e") == r"\xe9\n\t\x1b\x7f\x85\u2028\u202e"


def test_no_two_names_are_spelt_alike():
    names = ["\udce9.png", "\\xe9.png", "\\xe9~2.png", "a\n", "a\\n"]
    spelt = spell(names, printable)
    assert [spelt[name] for name in names] == ["\\xe9~3.png", "\\xe9.png", "\\xe9~2.png", "a\\n~2", "a\\n"]
    assert spell(reversed(names), printable) == spelt


def test_folders_are_spelt_as_files_are():
    paths = ["\udce9/1.png", "\udce9/2.png", "\\xe9/1.png"]
    assert list(spell_paths(paths).values()) == ["\\xe9~2/1.png", "\\xe9~2/2.png", "\\xe9/1.png"]


def test_a_long_name_is_cut_to_what_a_file_may_have_and_keeps_its_suffix():
    whole, other = "胸" * 84 + ".jpeg", "胸" * 85 + ".jpeg"
    for name in (whole, other, "a." + "b" * 400, "\udce9" * 255):
        assert len(fitting(name).encode()) <= LONGEST
    assert fitting(whole) != fitting(other)
    assert fitting(whole).endswith(".jpeg")
    assert fitting("a" * LONGEST) == "a" * LONGEST
