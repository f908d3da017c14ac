# SPDX-License-Identifier: Apache-2.0
"""A machine under QEMU that boots Newel: what tools/run, the scripted tour, the system tests and the benchmarks share."""
import codecs
import json
import os
import re
import selectors
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build")
QEMU = os.path.join(BUILD, "qemu", "qemu-system-aarch64")
IMAGE = os.path.join(BUILD, "newel.img")
EFI_IMAGE = os.path.join(BUILD, "newel.efi")
EFI_PARK = os.path.join(BUILD, "newel-park.efi")
FIRMWARE = os.path.join(BUILD, "qemu", "QEMU_EFI.fd")
GUEST = os.path.join(BUILD, "guest")

# QEMU's reasons for a shutdown that Newel itself asked for: PSCI SYSTEM_OFF; SYSTEM_RESET is how a panic ends.
POWERED_OFF = "guest-shutdown"
PANICKED = "guest-reset"

MONITOR_KEY = "\x1d"  # Ctrl-]
MONITOR_PROMPT = r"^newel> "
SHELL_PROMPT = r"# (?:\x1b\[6n)?\Z"  # the test guest's busybox, with its question where the cursor is

# Every time-out is multiplied by it: for a machine that has much else to do.
PATIENCE = float(os.environ.get("NEWEL_PATIENCE", "1"))

FDT_MAGIC = b"\xd0\x0d\xfe\xed"


class ManifestError(Exception):
    """A manifest that could not be compiled; the text is one line."""


class ExpectError(AssertionError):
    """The console did not say what was expected; the text ends with the console's last lines."""


def require(path, remedy):
    if not os.path.exists(path):
        raise FileNotFoundError(f"{os.path.relpath(path)} is missing: {remedy}")


def compile_manifest(source, output, include=()):
    """Compiles a manifest with dtc; a flattened one is taken as it is. /incbin/ looks beside the source, then in build/guest."""
    try:
        with open(source, "rb") as handle:
            if handle.read(4) == FDT_MAGIC:
                shutil.copyfile(source, output)
                return
    except OSError as error:
        raise ManifestError(f"{source}: {error.strerror}") from None
    command = ["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", output]
    for folder in (os.path.dirname(os.path.abspath(source)), *include, GUEST):
        command += ["-i", folder]
    done = subprocess.run([*command, source], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0 or not os.path.exists(output):
        raise ManifestError(first_error(source, done.stdout))


def first_error(source, noise):
    """The one line of dtc's messages that says what is wrong."""
    lines = [line.strip() for line in noise.splitlines() if line.strip()]
    chosen = next((line for line in lines if re.search(r"error|Couldn't", line, re.IGNORECASE)), None)
    if chosen is None:
        chosen = lines[0] if lines else "dtc failed"
    chosen = re.sub(r"^(Error|FATAL ERROR):\s*", "", chosen, flags=re.IGNORECASE)
    return chosen if chosen.startswith(source) else f"{source}: {chosen}"


def files_named_by(blob):
    """The files that a compiled manifest names, for a boot loader to give, each once."""
    with open(blob, "rb") as handle:
        data = handle.read()
    at, strings = struct.unpack_from(">8xII", data)
    names = {}
    while True:
        (token,) = struct.unpack_from(">I", data, at)
        at += 4
        if token == 1:
            at += (data.index(b"\0", at) - at + 4) & ~3
        elif token == 3:
            size, name = struct.unpack_from(">II", data, at)
            key = data[strings + name : data.index(b"\0", strings + name)]
            if key in (b"kernel-file", b"ramdisk-file"):
                names[data[at + 8 : at + 8 + size].rstrip(b"\0").decode(errors="replace")] = True
            at += 8 + (size + 3 & ~3)
        elif token == 9:
            return list(names)


def find_file(name, folders):
    """Where a file that a manifest names is, as /incbin/ would look for it; None if it is nowhere."""
    paths = [os.path.join(folder, name) for folder in (*folders, GUEST)]
    return next((path for path in paths if os.path.isfile(path)), None)


def make_esp(path, app, manifest=None, files=(), folder="EFI/BOOT", name="BOOTAA64.EFI"):
    """An EFI system partition, a FAT file system without a partition table: app as folder/name, and beside it newel.dtb and
    files, which are pairs of a name and a path."""
    inside = [(name, app), *([("newel.dtb", manifest)] if manifest else []), *files]
    size = sum(os.path.getsize(source) for _, source in inside)
    with open(path, "wb") as image:
        image.truncate((size // 2**20 + 64) * 2**20)  # less than 33 MiB would be no FAT32
    folders = folder.split("/")
    commands = [["mformat", "-i", path, "-F", "::"]]
    commands += [["mmd", "-i", path, "::/" + "/".join(folders[: n + 1])] for n in range(len(folders))]
    commands += [["mcopy", "-i", path, source, f"::/{folder}/{target}"] for target, source in inside]
    for command in commands:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def image_range(path, base=0x40000000):
    """The plugin's hyp= argument for an arm64 Image that QEMU loads and that runs where it is loaded."""
    with open(path, "rb") as image:
        header = image.read(64)
        size = os.fstat(image.fileno()).st_size
    text_offset, image_size = struct.unpack_from("<QQ", header, 8)
    if text_offset < 4096:
        text_offset += 0x200000  # where QEMU puts such an Image instead
    return f"hyp={base + text_offset:#x}+{max(image_size, size):#x}"


def make_nvram(path):
    """A blank flash of the size of virt's second one; one that is there stays as it is."""
    if not os.path.exists(path):
        with open(path, "wb") as file:
            for _ in range(64):
                file.write(b"\xff" * (1 << 20))
    return path


# Boards of QEMU's: their device tree as Debian's kernel has it, the serial lines before the one that it names, and where there is
# memory of which QEMU says nothing: START and SIZE.
BOARDS = {"raspi4b": ("bcm2711-rpi-4-b.dtb", 1, (0x40000000, 0x40000000)), "raspi3b": ("bcm2837-rpi-3-b.dtb", 1, None)}


def board_tree(machine):
    """The board's tree as its boot firmware completes it, for what QEMU does not do: a seed, and all of the memory."""
    source, _, more = BOARDS[machine]
    handle, tree = tempfile.mkstemp(dir=BUILD, prefix=machine)
    os.close(handle)
    shutil.copyfile(os.path.join(GUEST, source), tree)
    changes = [["-t", "bx", tree, "/chosen", "rng-seed", *(f"{byte:x}" for byte in os.urandom(64))]]
    if more:
        node = f"/ram@{more[0]:x}"  # QEMU writes over what is called memory
        changes += [["-c", tree, node], ["-t", "s", tree, node, "device_type", "memory"]]
        changes += [["-t", "x", tree, node, "reg", "0", *(f"{number:x}" for number in more)]]
    for change in changes:
        subprocess.run(["fdtput", *change], check=True)
    os.replace(tree, os.path.join(BUILD, f"{machine}.dtb"))  # another one may be reading it
    return os.path.join(BUILD, f"{machine}.dtb")


def machine_options(machine, cpu, smp, mem, gic):
    """A board is as it is; what virt has can be chosen."""
    if machine in BOARDS:
        return ["-M", machine, "-dtb", board_tree(machine), *["-serial", "null"] * BOARDS[machine][1]]
    return ["-M", f"virt,virtualization=on,gic-version={gic}", "-cpu", cpu, "-smp", str(smp), "-m", str(mem)]


def qemu_command(cpu="cortex-a72", smp=2, mem=1024, image=IMAGE, initrd=None, plugins=(), extra=(), esp=None, acpi=True, gic=3,
                 machine="virt", nvram=None):
    """QEMU's command line but for its serial line and control socket. mem is in MiB.

    esp: an image of make_esp(), for UEFI firmware to start from, instead of image and initrd; acpi: what the firmware says
    about the machine, ACPI's tables or a device tree. gic: the interrupt controller's version, 3 or 2.
    machine: "virt" or one of BOARDS. nvram: a file of make_nvram(), the machine's second flash."""
    command = [QEMU, *machine_options(machine, cpu, smp, mem, gic)]
    if nvram:
        command += ["-drive", f"if=pflash,unit=1,format=raw,file={nvram}"]
    command += ["-display", "none", "-net", "none", "-no-reboot", "-action", "shutdown=pause"]
    if esp:
        command += ["-bios", FIRMWARE, "-boot", "menu=on,splash-time=0"]  # without the seconds for a key
        command += ["-drive", f"file={esp},format=raw,if=none,id=esp", "-device", "virtio-blk-pci,drive=esp"]
        command += [] if acpi else ["-M", "acpi=off"]
        image = initrd = None
    if image:
        command += ["-kernel", image]
    if initrd:
        command += ["-initrd", initrd]
    for plugin in plugins:
        command += ["-plugin", plugin]
    return command + list(extra)


class Control:
    """QEMU's control socket (QMP): lets the machine go, and learns why it stopped."""

    def __init__(self, path, alive, timeout=30):
        self.reason = None
        self.stopped = threading.Event()
        self.socket = self._connect(path, alive, timeout)
        self.reader = self.socket.makefile("r", encoding="utf-8")
        self.reader.readline()
        self.send("qmp_capabilities")
        threading.Thread(target=self._listen, daemon=True).start()

    @staticmethod
    def _connect(path, alive, timeout):
        deadline = time.monotonic() + timeout * PATIENCE
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(path)
                return connection
            except OSError:
                connection.close()
                if not alive() or time.monotonic() > deadline:
                    raise ConnectionError("QEMU did not start") from None
                time.sleep(0.01)

    def send(self, command, **arguments):
        message = {"execute": command}
        if arguments:
            message["arguments"] = arguments
        try:
            self.socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            pass  # QEMU is gone; its exit tells the rest

    def _listen(self):
        """Until the machine stops. It is paused then, so the event cannot be lost; "quit" lets QEMU end and flush."""
        try:
            for line in self.reader:
                event = json.loads(line)
                if event.get("event") == "SHUTDOWN":
                    self.reason = event["data"]["reason"]
                    break
        except (OSError, ValueError):
            pass
        self.stopped.set()
        self.send("quit")

    def close(self):
        self.socket.close()


class Machine:
    """A running QEMU. Its serial line is this process's own (serial="stdio"), or pipes for expect() and send()."""

    def __init__(self, command, serial="pipes", log=None):
        self.folder = tempfile.mkdtemp(prefix="newel-")
        self.log = open(log, "wb") if log else None
        self.text = ""  # all that the serial line said, decoded
        self.position = 0  # where the next expect() starts to look
        self._held = ""  # a CR whose next character is not there yet
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        pipes = {} if serial == "stdio" else {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        control = os.path.join(self.folder, "qmp")
        command = [*command, "-S", "-qmp", f"unix:{control},server=on,wait=off", *self._serial(serial)]
        self.process = subprocess.Popen(command, bufsize=0, **pipes)
        try:
            self.control = Control(control, lambda: self.process.poll() is None)
        except ConnectionError:
            self.close()
            raise
        self.control.send("cont")

    @staticmethod
    def _serial(serial):
        if serial == "stdio":
            return ["-chardev", "stdio,id=line,mux=on,signal=off", "-serial", "chardev:line", "-mon", "chardev=line"]
        return ["-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line", "-monitor", "none"]

    def wait(self, timeout=None):
        """Waits for the machine's end; the reason that QEMU gives, or None after timeout seconds."""
        if not self.control.stopped.wait(timeout):
            return None
        try:
            self.process.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return self.control.reason or "qemu-exit"

    def send(self, text):
        self.process.stdin.write(text.encode())

    def _read(self, timeout):
        """Takes what the serial line says within timeout; False at its end."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout):
                return True
        data = os.read(self.process.stdout.fileno(), 65536)
        if self.log:
            self.log.write(data)
            self.log.flush()
        self._append(self._decoder.decode(data))
        return bool(data)

    def _append(self, text):
        """A line that was taken back with a lone CR, to be written anew, becomes one of its own in self.text."""
        text = self._held + text
        self._held = "\r" if text.endswith("\r") else ""
        self.text += re.sub(r"\r+\n?", "\n", text[: len(text) - len(self._held)])

    def expect_all(self, *patterns, timeout=30):
        """The matches of regular expressions (multi-line mode), in any order, in what follows the last match.

        "$" at a pattern's end is a line's end that has come: more of the line may be on its way. ExpectError if one does not come within timeout seconds.
        """
        whole = [pattern[:-1] + r"(?=\n)" if pattern.endswith("$") else pattern for pattern in patterns]
        expressions = [re.compile(pattern, re.MULTILINE) for pattern in whole]
        deadline = time.monotonic() + timeout * PATIENCE
        more = True
        while True:
            matches = [expression.search(self.text, self.position) for expression in expressions]
            if all(matches):
                self.position = max(match.end() for match in matches)
                return matches
            left = deadline - time.monotonic()
            if left <= 0 or not more:
                missing = next(pattern for pattern, match in zip(patterns, matches) if not match)
                why = f"within {timeout} s" if more else "before the machine ended"
                raise ExpectError(f"no {missing!r} {why}; the console's end:\n{self.tail()}")
            more = self._read(min(left, 1.0))

    def expect(self, pattern, timeout=30):
        """expect_all() of a single pattern."""
        return self.expect_all(pattern, timeout=timeout)[0]

    def expect_end(self, timeout=30):
        """Reads to the end of the serial line; the reason of the machine's stop, as wait()."""
        deadline = time.monotonic() + timeout * PATIENCE
        while self._read(0.2):
            if time.monotonic() > deadline:
                raise ExpectError(f"the machine did not end within {timeout} s; the console's end:\n{self.tail()}")
        return self.wait(10 * PATIENCE)

    def _expect_prompt(self, timeout):
        """Leaves the position before the prompt, so that the command typed there is found as a line with it."""
        match = self.expect(MONITOR_PROMPT, timeout)
        self.position = match.start()
        return match

    def open_monitor(self):
        """Opens Newel's monitor; its prompt is there after this."""
        self.send(MONITOR_KEY)
        self._expect_prompt(10)

    def monitor(self, command, timeout=10):
        """A command for the monitor, whose prompt is open; what it said, with VMs' lines between.

        The prompt is there again after this; a later expect() sees what was said as well."""
        self._type(command)
        start = self.position
        end = self._expect_prompt(timeout).start()
        self.position = start
        return self.text[start:end]

    def _type(self, command):
        self.send(command + "\r")
        self.expect(MONITOR_PROMPT + re.escape(command) + "$", 10)

    def focus(self, name):
        """Turns from the monitor, whose prompt is open, to a VM's shell, and waits for the shell's prompt."""
        self._type(f"vm focus {name}")
        self.expect(SHELL_PROMPT, 30)

    def shell(self, command):
        """A command for the shell of the VM that has the focus."""
        self.send(command + "\r")

    def tail(self, lines=40):
        return "\n".join(self.text.splitlines()[-lines:])

    def close(self):
        """Ends QEMU, whatever state it is in, and leaves nothing behind. May be called twice."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            if stream:
                stream.close()
        if hasattr(self, "control"):
            self.control.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
