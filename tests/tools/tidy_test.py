"""Each check of tools/tidy.py on a small tree that breaks one rule, and on one that breaks none."""

from __future__ import annotations

import unittest
from pathlib import Path

from tools import tidy, tidy_scan

ARROWS = {"base": set(), "core": {"base"}, "ops": {"core"}, "apps": {"ops"}}
# Written apart, so that this file does not break the rule itself.
MACHINE_PATH = "/" + "home/someone/model"
TODO_WORD = "TO" + "DO"


def tree(**files: str) -> tidy.Tree:
    """A tree from names like src__ops__linear_cc."""
    paths = {name.replace("__", "/")[::-1].replace("_", ".", 1)[::-1]: text
             for name, text in files.items()}
    return tidy.Tree(paths, ARROWS)


def rules(problems) -> list[str]:
    return [problem.rule for problem in problems]


class ArrowsTest(unittest.TestCase):
    def test_reads_chains_and_groups(self) -> None:
        arrows = tidy.parse_arrows("x\n```arrows\na -> b -> { c, d } ; e -> a\nf -> d\n```\n")

        self.assertEqual(arrows["a"], {"b"})
        self.assertEqual(arrows["b"], {"c", "d"})
        self.assertEqual(arrows["c"], set())
        self.assertEqual(arrows["e"], {"a"})
        self.assertEqual(arrows["f"], {"d"})

    def test_refuses_a_document_without_the_block(self) -> None:
        with self.assertRaises(ValueError):
            tidy.parse_arrows("no block")

    def test_reach_is_transitive(self) -> None:
        self.assertEqual(tree().may_include("ops"), {"ops", "core", "base"})


class IncludeTest(unittest.TestCase):
    def test_downwards_is_allowed_and_upwards_is_not(self) -> None:
        files = tree(src__ops__a_h='#pragma once\n#include "base/b.h"\n',
                     src__base__b_h='#pragma once\n#include "ops/a.h"\n')

        problems = list(tidy.check_include_directions(files))

        self.assertEqual([(p.path, p.line, p.rule) for p in problems],
                         [("src/base/b.h", 2, "include-direction")])

    def test_a_missing_header_is_named(self) -> None:
        files = tree(src__ops__a_cc='#include "ops/gone.h"\n')

        self.assertEqual(rules(tidy.check_include_directions(files)), ["include-path"])

    def test_an_include_in_a_comment_does_not_count(self) -> None:
        files = tree(src__base__b_cc='// #include "ops/gone.h"\n')

        self.assertEqual(rules(tidy.check_include_directions(files)), [])

    def test_third_party_headers_have_one_door(self) -> None:
        files = tree(src__base__json_h="#include <nlohmann/json.hpp>\n",
                     src__ops__a_cc="#include <nlohmann/json.hpp>\n#include <vector>\n")

        problems = list(tidy.check_include_directions(files))

        self.assertEqual([(p.path, p.rule) for p in problems], [("src/ops/a.cc", "third-party")])

    def test_the_oracle_may_not_see_ops(self) -> None:
        files = tree(src__ops__a_h="#pragma once\n", src__base__b_h="#pragma once\n",
                     tests__oracle__o_cc='#include "ops/a.h"\n#include "base/b.h"\n')

        self.assertEqual(rules(tidy.check_include_directions(files)), ["include-direction"])

    def test_build_links_are_the_arrows(self) -> None:
        files = tidy.Tree({"src/base/CMakeLists.txt": "talon_folder(base)\n",
                           "src/core/CMakeLists.txt": "talon_folder(core base)\n",
                           "src/ops/CMakeLists.txt": "talon_folder(ops base)\n"}, ARROWS)

        problems = list(tidy.check_build_links(files))

        self.assertEqual([p.path for p in problems], ["src/ops/CMakeLists.txt"])


class FormTest(unittest.TestCase):
    def test_pragma_once_comes_before_code(self) -> None:
        files = tree(src__base__a_h="// Comment.\n#pragma once\n", src__base__b_h="int x;\n")

        problems = list(tidy.check_header_form(files))

        self.assertEqual([(p.path, p.rule) for p in problems], [("src/base/b.h", "pragma-once")])

    def test_a_variant_starts_with_the_header_of_its_op(self) -> None:
        files = tree(src__ops__norm_h="#pragma once\n",
                     src__ops__norm_cpu_fast_cc='#include "ops/norm.h"\n#include <vector>\n',
                     src__ops__norm_avx2_cc='#include <vector>\n#include "ops/norm.h"\n')

        problems = list(tidy.check_header_form(files))

        self.assertEqual([(p.path, p.rule) for p in problems],
                         [("src/ops/norm_avx2.cc", "own-header")])

    def test_folders_outside_the_tree_are_named(self) -> None:
        files = tree(src__extra__a_cc="", tests__extra__a_cc="", stuff__a_cc="", src__base__a_cc="",
                     tests__oracle__a_cc="", src__base__string_utils_cc="")

        problems = list(tidy.check_places(files))

        self.assertEqual([p.path for p in problems],
                         ["src/extra/a.cc", "tests/extra/a.cc", "stuff/a.cc",
                          "src/base/string_utils.cc"])


class BannedTest(unittest.TestCase):
    def check(self, path: str, text: str) -> list[str]:
        return rules(tidy.check_banned(tidy.Tree({path: text}, ARROWS)))

    def test_each_word_is_found(self) -> None:
        cases = {
            "kernel<<<grid, block>>>(x);": "chevrons",
            "using namespace std;": "using-namespace",
            "cudaMalloc(&p, 8);": "cuda-malloc",
            "out << std::endl;": "endl",
            'auto* v = std::getenv("X");': "getenv",
            "auto* p = new Buffer(3);": "raw-new",
            "#if TALON_HAS_CUDA": "cuda-macro",
        }
        for text, rule in cases.items():
            with self.subTest(rule):
                self.assertEqual(self.check("src/ops/a.cc", text + "\n"), [rule])

    def test_the_same_words_are_fine_where_they_belong(self) -> None:
        self.assertEqual(self.check("src/core/buffer.cc", "cudaMalloc(&p, 8);\n"), [])
        self.assertEqual(self.check("apps/talon/main.cc", 'std::getenv("X");\n'), [])
        self.assertEqual(self.check("src/core/backend.h", "#if TALON_HAS_CUDA\n"), [])

    def test_comments_and_strings_do_not_count(self) -> None:
        text = '// std::endl\n/* new Foo(1) */ auto s = "using namespace std";\n'

        self.assertEqual(self.check("src/ops/a.cc", text), [])

    def test_using_declarations_only_in_sources(self) -> None:
        self.assertEqual(self.check("src/ops/a.h", "using std::vector;\n"), ["header-using"])
        self.assertEqual(self.check("src/ops/a.h", "using Row = std::vector<int>;\n"), [])
        self.assertEqual(self.check("src/ops/a.cc", "using std::vector;\n"), [])


class TextTest(unittest.TestCase):
    def check(self, path: str, text: str) -> list[str]:
        return rules(tidy.check_text(tidy.Tree({path: text}, ARROWS)))

    def test_finds_what_should_not_be_in_a_text(self) -> None:
        self.assertEqual(self.check("README.md", "caf\u00e9\n"), ["ascii"])
        self.assertEqual(self.check("README.md", f"see {MACHINE_PATH}\n"), ["machine-path"])
        self.assertEqual(self.check("src/ops/a.cc", f"// {TODO_WORD}: later\n"), ["todo"])
        self.assertEqual(self.check("src/ops/a.cc", f"// {TODO_WORD}(#7): later\n"), [])
        self.assertEqual(self.check("src/ops/a.cc", "x" * 101 + "\n"), ["columns"])
        self.assertEqual(self.check("src/ops/a.cc", "x" * 100 + "\n"), [])

    def test_data_may_hold_anything(self) -> None:
        self.assertEqual(self.check("tests/golden/a.json", "\u00e9" * 200), [])
        self.assertEqual(self.check("data/eval/a.jsonl", "\u00e9" * 200), [])


class ScanTest(unittest.TestCase):
    def one(self, text: str) -> tidy_scan.Function:
        found = tidy_scan.functions(text)
        self.assertEqual(len(found), 1, found)
        return found[0]

    def test_measures_a_function(self) -> None:
        function = self.one("""namespace a {
int f(int x, const std::map<int, int>& y) {
  for (int i = 0; i < 3; ++i) {
    if (x > 0) {
      return i;
    } else if (x < 0) {
      return 2;
    }
  }
  return 0;
}
}  // namespace a
""")

        self.assertEqual((function.name, function.line, function.num_lines), ("f", 2, 10))
        self.assertEqual((function.num_parameters, function.nesting), (2, 2))

    def test_reads_constructors_with_braced_members(self) -> None:
        function = self.one("Foo::Foo(int x, int y = {}) : a_{x}, b_(y), c_{1} {\n  go();\n}\n")

        self.assertEqual((function.name, function.num_lines), ("Foo", 3))
        self.assertEqual(function.num_parameters, 2)

    def test_a_lambda_counts_its_own_nesting(self) -> None:
        function = self.one("""void f() {
  for (int i : {1, 2}) {
    run([&](int j) {
      if (j) {
        while (j) {
        }
      }
    });
  }
}
""")

        self.assertEqual(function.nesting, 2)

    def test_types_and_tables_are_no_functions(self) -> None:
        text = """struct A : B<int(int)> { int x = 3; };
constexpr int kTable[] = {1, 2};
enum class E { kA };
const auto kF = [](int x) { return x; };
"""
        self.assertEqual([f.name for f in tidy_scan.functions(text)], [])

    def test_templates_operators_and_attributes(self) -> None:
        names = [f.name for f in tidy_scan.functions("""template <class T, class U = int>
[[nodiscard]] bool g(T a) { return a; }
bool operator==(const A& a, const A& b) { return true; }
extern "C" int h(const char* p, size_t n) { return 0; }
TEST(FooTest, Works) { EXPECT_TRUE(true); }
""")]

        self.assertEqual(names, ["g", "operator==", "h", "TEST"])

    def test_strings_keep_lines_and_digit_separators_are_no_strings(self) -> None:
        text = 'auto a = R"x({\n"{)x"; int b = 1\'000; // {\nchar c = \'{\';\n'

        self.assertEqual(tidy_scan.strip(text).count("\n"), text.count("\n"))
        self.assertNotIn("{", tidy_scan.strip(text))
        self.assertIn("1'000", tidy_scan.strip(text))


class RatchetTest(unittest.TestCase):
    LONG = "void f() {\n" + "  go();\n" * 75 + "}\n"
    ENTRY = "src/base/a.cc f lines"

    def tree(self) -> tidy.Tree:
        return tree(src__base__a_cc=self.LONG, tests__base__a_test_cc="")

    def ratchet(self, size: int, reason: str = "table") -> dict:
        return {"sizes": {self.ENTRY: {"size": size, "reason": reason}}}

    def test_over_the_limit_is_a_problem_unless_listed(self) -> None:
        self.assertEqual(rules(tidy.check_ratchet(self.tree(), {})), ["size"])
        self.assertEqual(rules(tidy.check_ratchet(self.tree(), self.ratchet(77))), [])

    def test_a_number_may_fall_but_not_rise(self) -> None:
        self.assertEqual(rules(tidy.check_ratchet(self.tree(), self.ratchet(76))), ["size"])
        self.assertEqual(rules(tidy.check_ratchet(self.tree(), self.ratchet(80))), ["ratchet"])
        for before, after in ((80, 77), (76, 76)):
            lowered = tidy.lowered(self.tree(), self.ratchet(before))
            self.assertEqual(lowered["sizes"][self.ENTRY]["size"], after)

    def test_an_entry_needs_a_reason(self) -> None:
        self.assertEqual(rules(tidy.check_ratchet(self.tree(), self.ratchet(77, ""))), ["ratchet"])

    def test_parameters_and_files_are_measured(self) -> None:
        files = tree(src__base__a_h="int f(int a, int b, int c, int d, int e, int g) {\n}\n",
                     src__base__b_avx2_cc="\n" * 900, src__base__c_cc="\n" * 900)

        entries = [entry for _, entry, *_ in tidy.measure_sizes(files)]

        self.assertEqual(entries, ["src/base/a.h f parameters", "src/base/c.cc lines"])

    def test_sources_need_a_test(self) -> None:
        files = tree(src__ops__norm_cpu_cc="", src__ops__norm_avx2_cc="", src__ops__other_cc="",
                     src__ops__third_cc="", tests__ops__norm_test_cc="",
                     tests__ops__sum_test_cc="// Covers: ops/third.cc\n")

        self.assertEqual(list(tidy.measure_untested(files)), ["src/ops/other.cc"])


class DeadTest(unittest.TestCase):
    def test_a_header_that_only_its_own_source_includes_is_dead(self) -> None:
        files = tree(src__ops__a_h="#pragma once\n", src__ops__a_cpu_cc='#include "ops/a.h"\n',
                     src__ops__b_h="#pragma once\n", src__ops__c_cc='#include "ops/b.h"\n')

        self.assertEqual([p.path for p in tidy.check_dead(files)], ["src/ops/a.h"])

    def test_a_test_source_needs_a_name_that_the_build_takes(self) -> None:
        files = tree(tests__ops__a_check_cc="", tests__ops__a_test_cc="", tests__support__a_cc="")

        self.assertEqual([p.path for p in tidy.check_dead(files)], ["tests/ops/a_check.cc"])


class ExcuseTest(unittest.TestCase):
    def test_a_comment_with_a_reason_excuses_one_rule(self) -> None:
        excused = "// tidy: allow raw-new, the C library frees it\nauto* p = new Foo(1);\n"
        plain = "auto* p = new Foo(1);\n"
        files = tidy.Tree({"src/base/a.cc": excused, "src/base/b.cc": plain}, ARROWS)

        found = [p for p in tidy.check_banned(files) if not tidy.excused(files, p)]

        self.assertEqual([p.path for p in found], ["src/base/b.cc"])


class RealTreeTest(unittest.TestCase):
    def test_the_arrows_of_this_tree_are_read(self) -> None:
        root = Path(tidy.__file__).resolve().parent.parent

        arrows = tidy.parse_arrows((root / "ARCHITECTURE.md").read_text())

        self.assertEqual(arrows["base"], set())
        self.assertIn("core", arrows["ops"])


if __name__ == "__main__":
    unittest.main()
