"""C programs that are built against the installed package, as their authors would build them; man pages and completions."""

import json
import re
import shutil
import subprocess
import unittest

import installed
from installed import environment, folder, need, prefix, run
from test_wheel import left

HERE = installed.ROOT / "tests" / "install" / "client"


class Clients(unittest.TestCase):
    def check(self, program):
        """Runs it, linked to the installed library: the report has what it left."""
        report = program.with_suffix(".json")
        self.assertIn("18 events reported", run("ttmem", "run", "--json", report, "--", program, env=environment()))
        self.assertEqual(left(report), installed.LEFT)

    def tool(self, name):
        """A command of PyPI, and an environment in which it finds the package."""
        path = need.need(installed.tools)
        return path / name, environment() | {
            "PATH": f"{prefix() / 'bin'}:{path}:{environment()['PATH']}",
            "PKG_CONFIG_PATH": str(prefix() / "lib" / "pkgconfig"),
        }

    def test_cmake(self):
        cmake, variables = self.tool("cmake")
        build = folder() / "cmake"
        # CMake looks beside the folders of PATH: the environment's is there.
        run(cmake, "-S", HERE, "-B", build, "-G", "Ninja", f"-DCLIENT={installed.CLIENT}", env=variables)
        run(cmake, "--build", build, env=variables)
        self.check(build / "client")

    def test_cmake_refuses_a_later_version(self):
        cmake, variables = self.tool("cmake")
        source = folder() / "later"
        source.mkdir()
        later = (HERE / "CMakeLists.txt").read_text().replace("ttmem 0.1", "ttmem 99.0")
        (source / "CMakeLists.txt").write_text(later)
        command = [str(cmake), "-S", str(source), "-B", str(source / "build"), f"-DCLIENT={installed.CLIENT}"]
        done = subprocess.run([*command, "-G", "Ninja"], capture_output=True, text=True, env=variables)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('compatible with requested version "99.0"', " ".join(done.stderr.split()))

    def test_meson(self):
        if not shutil.which("pkg-config"):
            self.skipTest("no pkg-config on PATH")
        meson, variables = self.tool("meson")
        source = folder() / "meson"
        source.mkdir()
        shutil.copy(HERE / "meson.build", source)
        shutil.copy(installed.CLIENT, source / "client.c")
        run(meson, "setup", source / "build", source, env=variables)
        run(meson, "compile", "-C", source / "build", env=variables)
        self.check(source / "build" / "client")

    def test_the_header_for_cpp_is_installed(self):
        program, report = folder() / "regions", folder() / "regions.json"
        flags = ("-std=c++17", "-pthread", f"-I{prefix() / 'include'}", f"-L{prefix() / 'lib'}", f"-Wl,-rpath,{prefix() / 'lib'}")
        run("c++", *flags, installed.ROOT / "docs" / "examples" / "regions.cpp", "-lttmem", "-o", program)
        run("ttmem", "run", "--quiet", "--json", report, "--", program, env=environment())
        (process,) = json.loads(report.read_text())["processes"]
        self.assertEqual([region["name"] for region in process["regions"]], ["request"] * 3)

    def test_the_header_has_the_version(self):
        source = folder() / "version.c"
        source.write_text("#include <ttmem.h>\nversion: TTMEM_VERSION_MAJOR.TTMEM_VERSION_MINOR.TTMEM_VERSION_PATCH\n")
        last = run("cc", "-E", "-P", source, f"-I{prefix() / 'include'}").splitlines()[-1]
        self.assertEqual("".join(last.split()), f"version:{need.version()}")


class BesideTheCommand(unittest.TestCase):
    def share(self, place):
        return prefix() / "share" / place

    def test_each_command_has_a_man_page(self):
        commands = re.findall(r"^  ([a-z]+) ", run("ttmem", "--help", env=environment()).split("Examples:")[0], re.M)
        self.assertIn("doctor", commands)
        pages = {path.name for path in self.share("man/man1").iterdir()}
        expected = {"ttmem.1"} | {f"ttmem-{command}.1" for command in commands if command != "help"}
        self.assertEqual({page for page in pages if not page.startswith("ttmem-help")}, expected)
        self.assertIn("fail\\-on\\-leak", self.share("man/man1/ttmem-run.1").read_text())

    def test_bash_completes_commands_and_options(self):
        bash = shutil.which("bash")
        if not bash:
            self.skipTest("no bash on PATH")
        file = self.share("bash-completion/completions/ttmem")
        for words, expected in (("ttmem doc", "doctor"), ("ttmem run --fail-on-le", "--fail-on-leak")):
            count = len(words.split()) - 1
            code = f'. {file}; COMP_WORDS=({words}); COMP_CWORD={count}; _ttmem ttmem "${{COMP_WORDS[{count}]}}" "${{COMP_WORDS[{count - 1}]}}"'
            said = run(bash, "-c", f'{code}; echo "${{COMPREPLY[@]}}"', env=environment())
            self.assertIn(expected, said.split())

    def test_zsh_and_fish_have_theirs(self):
        self.assertTrue(self.share("zsh/site-functions/_ttmem").read_text().startswith("#compdef ttmem"))
        self.assertIn("complete -c ttmem", self.share("fish/vendor_completions.d/ttmem.fish").read_text())


if __name__ == "__main__":
    unittest.main()
