# SPDX-License-Identifier: MIT
"""Where mutants are built and run: a copy of the tree and a build of it for each worker, out of the tree.

A worker writes the mutant into its copy and asks ninja for one killer after the other, so that only what depends on the
changed file is compiled, and only for killers that are reached. The next mutant starts with the file put right again.
"""
import math
import os
import re
import shutil
import signal
import subprocess
import time

SKIPPED = {'.git', 'build', '__pycache__'}
BUILD_LIMIT = 600  # seconds, also for a killer on the unchanged tree
# What a killer is given, from its seconds on the unchanged tree; beyond, the mutant hangs. A loop without end uses up
# the processor time of its process; the clock is for what sleeps, and generous, since the machine may have other work.
CPU_LIMIT = (2, 3)     # seconds, and times its time
CLOCK_LIMIT = (20, 20)
# What a sanitizer would say of an index, a shift or a builtin's argument ends the program instead.
TRAPS = '-fsanitize=bounds,shift,builtin -fsanitize-undefined-trap-on-error'
OPTIONS = ['-DCMAKE_BUILD_TYPE=Debug', '-DCMAKE_C_FLAGS_DEBUG=-O1', '-DHIPT_CHECK=3', '-DHIPT_WERROR=OFF',
           '-DHIPT_BENCH=OFF', '-DHIPT_EXAMPLES=OFF', f'-DCMAKE_C_FLAGS=-w {TRAPS}',
           '-DCMAKE_SUPPRESS_REGENERATION=ON']  # the copy's list of files does not change, only what is in one


LOG_LINES = 1000  # of a killer's output in which its reason is looked for

live = set()  # processes that have not ended yet


class BuildError(Exception):
    pass


def descendants(root):
    """The process @root and all below it, from /proc: test frameworks put their children into groups of their own."""
    children = {}
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                with open(f'/proc/{name}/stat', encoding='utf-8', errors='replace') as file:
                    parent = int(file.read().rpartition(')')[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            children.setdefault(parent, []).append(int(name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def end(process):
    """Kill a process that has not been waited for, and what it started."""
    for pid in descendants(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def end_all():
    for process in list(live):
        end(process)


def copy_changed(root, copy):
    """Make @copy equal to @root; files that are equal keep their times, so that nothing is built for them."""
    wanted = set()
    for parent, folders, names in os.walk(root):
        folders[:] = [folder for folder in folders if folder not in SKIPPED]
        for name in names:
            source = os.path.join(parent, name)
            relative = os.path.relpath(source, root)
            target = os.path.join(copy, relative)
            wanted.add(relative)
            if not os.path.isfile(source) or same(source, target):
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(source, target)
            shutil.copymode(source, target)
    for parent, _, names in os.walk(copy):
        for name in names:
            path = os.path.join(parent, name)
            if os.path.relpath(path, copy) not in wanted:
                os.unlink(path)


def same(a, b):
    if not os.path.isfile(b):
        return False
    with open(a, 'rb') as first, open(b, 'rb') as second:
        return first.read() == second.read()


def run(command, limit, cwd, log):
    """=> exit status, or None if it had not ended after @limit seconds; all its processes are gone then."""
    with open(log, 'wb') as output:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        live.add(process)
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            end(process)
            process.wait()
            return None
        finally:
            live.discard(process)


class Workshop:
    def __init__(self, root, folder, jobs=1):
        self.folder = folder
        self.root, self.build = os.path.join(folder, 'tree'), os.path.join(folder, 'build')
        self.log = os.path.join(folder, 'log')
        self.jobs, self.changed, self.programs, self.made = jobs, {}, {}, set()
        os.makedirs(self.root, exist_ok=True)
        copy_changed(root, self.root)

    def configure(self):
        command = ['cmake', '-S', self.root, '-B', self.build, '-G', 'Ninja'] + OPTIONS
        if run(command, BUILD_LIMIT, self.folder, self.log) != 0:
            raise BuildError(f'the tree cannot be configured: {self.tail()}')
        targets = subprocess.run(['ninja', '-C', self.build, '-t', 'targets', 'all'], capture_output=True, text=True)
        for path in re.findall(r'^(\S+): C_EXECUTABLE_LINKER__', targets.stdout, re.M):
            self.programs[os.path.basename(path)] = path

    def tail(self, lines=12):
        with open(self.log, encoding='utf-8', errors='replace') as file:
            return '\n'.join(re.sub(r'\x1b\[[0-9;]*m', '', file.read()).split('\n')[-lines:])

    def make(self, killers):
        programs = sorted({self.programs[killer.program] for killer in killers} - self.made)
        if not programs:
            return
        status = run(['ninja', '-C', self.build, f'-j{self.jobs}'] + programs, BUILD_LIMIT, self.folder, self.log)
        if status != 0:
            raise BuildError(self.tail(30))
        self.made.update(programs)

    def put(self, mutant):
        """Write a mutant into the copy, and put right what the last one changed."""
        fresh = {}
        self.made.clear()
        for path in mutant.changes if mutant else []:
            with open(os.path.join(self.root, path), encoding='utf-8') as file:
                original = self.changed.get(path) or file.read()
            fresh[path] = original
            self.write(path, mutant.text(path, original))
        for path, original in self.changed.items():
            if path not in fresh:
                self.write(path, original)
        self.changed = fresh

    def write(self, path, text):
        with open(os.path.join(self.root, path), 'w', encoding='utf-8') as file:
            file.write(text)

    def attack(self, killer, seconds, mutant=None):
        """
        => (why it failed or None, seconds). @seconds: what the killer needs on the unchanged tree, or None. @mutant is
        for killers in which it is planted: they run as they were built from the unchanged tree.
        """
        program = killer.kept or os.path.join(self.build, self.programs[killer.program])
        command = [word.format(program=program, root=self.root) for word in killer.arguments(mutant)]
        limit = BUILD_LIMIT
        if seconds is not None:
            limit = CLOCK_LIMIT[0] + CLOCK_LIMIT[1] * seconds
            cpu = math.ceil(CPU_LIMIT[0] + CPU_LIMIT[1] * seconds)
            command = ['sh', '-c', f'ulimit -c 0; ulimit -S -t {cpu} && exec "$@"', 'sh'] + command
        start = time.monotonic()
        status = run(command, limit, self.folder, self.log)
        taken = time.monotonic() - start
        if status == 0 or status == 2 and killer.kinds == 'plant':
            return None, taken
        if status is None or status == -signal.SIGXCPU:
            return 'hangs', taken
        found = re.search('^violation: (.*)', self.tail(LOG_LINES), re.M)
        if found and killer.kinds == 'plant':
            return found.group(1), taken
        return f'signal {-status}' if status < 0 else f'status {status}', taken
