"""Stands in for Tenstorrent's device compiler, riscv-tt-elf-g++, on mock devices.

Kernels never run there, but tt-metal compiles, links and loads them all the same. So every object is an empty file, and
every program is the same twelve instructions, at the addresses that the linker script asks for, with what tt-metal's
loader looks at: a text and a data segment, symbols, and the relocations from one to the other.

Installed beside a file `sfpi-version` (see wheel.py), with the interpreter's path as its first line: it is started dozens
of times an op, so it imports next to nothing.
"""

import ast
import os
import re
import struct
import sys

TEXT_FLAGS, DATA_FLAGS = 5, 6  # R+X, R+W
PROGBITS, SYMTAB, STRTAB, RELA = 1, 2, 3, 4
HI20, LO12_I, JAL = 26, 27, 17  # R_RISCV_*
ABSOLUTE = 0xFFF1

# Where the firmware's script does not say, or was not linked: any place in L1 and in local memory will do.
DEFAULT_TEXT, DEFAULT_DATA = 0x20000, 0xFFB00800


def evaluate(expression, symbols):
    """The value of a linker script's arithmetic, or None where it names a symbol that nobody defined."""

    def value(node):
        if isinstance(node, ast.Expression):
            return value(node.body)
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.Name):
            return symbols[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
            return ~value(node.operand)
        if isinstance(node, ast.BinOp):
            left, right = value(node.left), value(node.right)
            operations = {ast.Add: int.__add__, ast.Sub: int.__sub__, ast.Mult: int.__mul__, ast.BitAnd: int.__and__}
            return operations[type(node.op)](left, right)
        raise KeyError(ast.dump(node))

    try:
        return value(ast.parse(expression.strip(), mode="eval"))
    except (KeyError, SyntaxError):
        return None


def exported_symbols(path):
    """Names and values of the symbols of a 32-bit ELF file."""
    with open(path, "rb") as file:
        image = file.read()
    section_offset, entry_size, count = struct.unpack_from("<I10xHH", image, 32)
    sections = [struct.unpack_from("<10I", image, section_offset + at * entry_size) for at in range(count)]
    symbols = {}
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != SYMTAB:
            continue
        strings = sections[link][4]
        for at in range(offset, offset + size, 16):
            name, symbol_value = struct.unpack_from("<II", image, at)
            end = image.index(b"\0", strings + name)
            symbols[image[strings + name : end].decode()] = symbol_value
    return symbols


def instructions(text, data):
    """Twelve words: load the address of the datum, call the function behind, which loads it, and return."""
    high, low = (data + 0x800) >> 12 & 0xFFFFF, data & 0xFFF
    start = [high << 12 | 0x537, low << 20 | 0x50513, 0x0080006F, 0x00000013]  # lui a0; addi a0; j +8; nop
    function = [0x00052503, 0x00008067]  # lw a0, 0(a0); ret
    words = start + function + [0x00000013] * 6
    relocations = [(text, "datum", HI20), (text + 4, "datum", LO12_I), (text + 8, "function", JAL)]
    return struct.pack("<12I", *words), relocations


class Strings:
    def __init__(self):
        self.bytes = b"\0"

    def add(self, text):
        at = len(self.bytes)
        self.bytes += text.encode() + b"\0"
        return at


def linked(text_address, data_address, is_kernel):
    """The bytes of a linked program."""
    text, relocations = instructions(text_address, data_address)
    data = struct.pack("<I", 3)
    text_at = 52 + 2 * 32
    text_at += -(text_at - text_address) % 16
    data_at = text_at + len(text)
    data_at += -(data_at - data_address) % 16
    text_end, data_end = text_address + len(text), data_address + len(data)

    names, symbols = Strings(), [struct.pack("<IIIBBH", 0, 0, 0, 0, 0, 0)]
    order = {}

    def symbol(name, value, size, kind, section, binding=1):
        order[name] = len(symbols)
        symbols.append(struct.pack("<IIIBBH", names.add(name), value, size, binding << 4 | kind, 0, section))

    symbol("datum", data_address, 4, 1, 3, binding=0)
    locals_end = len(symbols)
    symbol("_start", text_address, 16, 2, 1)
    symbol("function", text_address + 16, 8, 2, 1)
    symbol("__ldm_data_start", data_address, 0, 0, 3)
    symbol("__ldm_data_end", data_end, 0, 0, 3)
    symbol("__ldm_bss_start", data_end, 0, 0, 3)
    symbol("__ldm_bss_end", data_end, 0, 0, 3)
    symbol("__stack_top", 0xFFB02000, 0, 0, ABSOLUTE)
    if is_kernel:
        symbol("__kernel_text_start", text_address, 0, 0, ABSOLUTE)
        symbol("__kernel_data_lma", text_end, 0, 0, 1)
        symbol("__stack_base", data_end + 15 & ~15, 0, 0, 3)
    else:
        symbol("__fw_export_text_end", text_end + 15 & ~15, 0, 0, ABSOLUTE)
        symbol("__fw_export_ldm_end", data_end + 15 & ~15, 0, 0, ABSOLUTE)
    rela = b"".join(struct.pack("<IIi", at, order[name] << 8 | kind, 0) for at, name, kind in relocations)

    section_names = Strings()
    body, sections = b"\0" * (text_at - 52 - 64) + text, []

    def section(name, kind, flags, address, offset, size, link=0, info=0, align=4, entry=0):
        sections.append(
            struct.pack("<10I", section_names.add(name), kind, flags, address, offset, size, link, info, align, entry)
        )

    def append(content):
        nonlocal body
        body += b"\0" * (-(52 + 64 + len(body)) % 4)
        at = 52 + 64 + len(body)
        body += content
        return at

    body += b"\0" * (data_at - text_at - len(text)) + data
    sections.append(b"\0" * 40)
    section(".text", PROGBITS, 6, text_address, text_at, len(text))
    section(".rela.text", RELA, 0x40, 0, append(rela), len(rela), link=4, info=1, entry=12)
    section(".data", PROGBITS, 3, data_address, data_at, len(data))
    table = b"".join(symbols)
    section(".symtab", SYMTAB, 0, 0, append(table), len(table), link=5, info=locals_end, entry=16)
    section(".strtab", STRTAB, 0, 0, append(names.bytes), len(names.bytes), align=1)
    section_names.add(".shstrtab")
    shstrtab = section_names.bytes
    sections.append(
        struct.pack("<10I", shstrtab.index(b".shstrtab"), STRTAB, 0, 0, append(shstrtab), len(shstrtab), 0, 0, 1, 0)
    )
    headers_at = append(b"".join(sections))
    load_address = text_end if is_kernel else data_address
    programs = struct.pack("<8I", 1, text_at, text_address, text_address, len(text), len(text), TEXT_FLAGS, 16)
    programs += struct.pack("<8I", 1, data_at, data_address, load_address, len(data), len(data), DATA_FLAGS, 16)
    header = b"\x7fELF\1\1\1" + b"\0" * 9
    header += struct.pack("<HHIIIIIHHHHHH", 2, 243, 1, text_address, 52, headers_at, 0, 52, 32, 2, 40, 7, 6)
    return header + programs + body


def section_address(script, section, symbols, default):
    match = re.search(r"^\s*\.%s\s+([^:{]+?)\s*:" % section, script, re.MULTILINE)
    address = evaluate(match.group(1), symbols) if match else None
    return default if address is None else address


def link(arguments, output):
    script_path = next(word[2:] for word in arguments if word.startswith("-T"))
    symbols = {}
    for word in arguments:
        if word.startswith("-Wl,--just-symbols="):
            path = word.partition("=")[2]
            if os.path.exists(path):
                symbols.update(exported_symbols(path))
        elif word.startswith("-Wl,--defsym="):
            name, _, expression = word[len("-Wl,--defsym=") :].partition("=")
            symbols[name] = evaluate(expression, symbols) or 0
    with open(script_path) as file:
        script = file.read()
    text = section_address(script, "text", symbols, DEFAULT_TEXT)
    data = section_address(script, "data", symbols, DEFAULT_DATA)
    with open(output, "wb") as file:
        file.write(linked(text, data, "__kernel_data_lma" in script))


def main(arguments):
    if "--version" in arguments:
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "sfpi-version")) as file:
            print("riscv-tt-elf-g++ (tenstorrent/sfpi:%s[1]) 15.1.0" % file.read().strip())
        return 0
    value_of = {flag: value for flag, value in zip(arguments, arguments[1:]) if flag in ("-o", "-MF", "-x")}
    output = value_of.get("-o")
    if output is None:
        return 0
    if "-MF" in value_of:
        sources = [word for word in arguments if word.endswith((".cc", ".cpp", ".S"))]
        with open(value_of["-MF"], "w") as file:
            file.write("%s: %s\n" % (output, " ".join(sources)))
    if "-c" in arguments or value_of.get("-x") == "c++-header":
        open(output, "wb").close()
    else:
        link(arguments, output)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
