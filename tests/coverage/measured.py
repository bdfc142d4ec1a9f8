# SPDX-License-Identifier: MIT
"""What a run of instrumented tests has covered, by llvm-cov of clang 19, and what may stay uncovered."""
import collections
import json
import os
import re
import subprocess

EXPANSION, MCDC = 1, 5
KINDS = ('line', 'true', 'false', 'condition')


class Mistake(Exception):
    """Something that the caller has to put right first."""


# A thing that a test can cover: @kind of KINDS, in @function of @file at @line; @text is the line or the expression.
Item = collections.namedtuple('Item', 'file function line kind text')


class Sources:
    """Texts of the files below a root, by lines and by regions."""

    def __init__(self, root):
        self.root, self.lines = root, {}

    def of(self, path):
        if path not in self.lines:
            with open(os.path.join(self.root, path), encoding='utf-8') as file:
                self.lines[path] = file.read().split('\n')
        return self.lines[path]

    def line(self, path, number):
        return self.of(path)[number - 1].strip()

    def region(self, path, region):
        first, column, last, end = region[:4]
        lines = self.of(path)[first - 1:last]
        lines[-1] = lines[-1][:end - 1]
        lines[0] = lines[0][column - 1:]
        return ' '.join(' '.join(lines).split())


def export(objects, profile, form):
    command = ['llvm-cov-19', 'export', f'-format={form}', f'-instr-profile={profile}', objects[0]]
    command += [word for other in objects[1:] for word in ('-object', other)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise Mistake(run.stderr.strip())
    return run.stdout


class Coverage:
    """@hit: {Item: whether it was covered}, of the files of @root whose path starts with @prefix."""

    def __init__(self, root, prefix, objects, profile):
        self.root, self.prefix = os.path.realpath(root), prefix
        self.sources = Sources(self.root)
        self.spans = collections.defaultdict(dict)  # file: {first line: (last line, function)}
        self.hit, self.places = {}, {}
        for record in json.loads(export(objects, profile, 'text'))['data'][0]['functions']:
            self.read_function(record)
        self.read_lines(export(objects, profile, 'lcov'))
        self.hit.update({item: all(sides.values()) for item, sides in self.places.items()})

    def inside(self, path):
        path = os.path.relpath(os.path.realpath(path), self.root)
        return path if path.startswith(self.prefix) else None

    def read_function(self, record):
        """Branches and conditions. What is in a macro counts where the macro is used, once for each use."""
        path = self.inside(record['filenames'][0])
        if not path:
            return
        name = record['name'].rsplit(':', 1)[-1]
        regions = record['regions']
        used = {region[6]: region for region in regions if region[7] == EXPANSION}
        body = next(region for region in regions if region[5] == 0)
        self.spans[path][body[0]] = (body[2], name)

        def root_of(region):
            trail = []
            file = region[6]
            while file != 0:
                trail.append(region[:4])
                region = used[file]
                file = region[5]
            return region, trail

        for branch in record['branches']:
            at, trail = root_of(branch)
            text = self.sources.region(path, at)
            for kind, count in (('true', branch[4]), ('false', branch[5])):
                self.note(Item(path, name, at[0], kind, text), (at[1], str(trail)), count > 0)
        for decision in record['mcdc_records']:
            text = self.sources.region(path, decision)
            for number, covered in enumerate(decision[6], 1):
                item = Item(path, name, decision[0], 'condition', f'{number} of {text}')
                self.note(item, decision[1], covered)

    def note(self, item, place, covered):
        """Several instances of an inline function add up; several places with one text in a line all have to be hit."""
        sides = self.places.setdefault(item, {})
        sides[place] = sides.get(place, False) or covered

    def function_at(self, path, line):
        for first, (last, name) in self.spans[path].items():
            if first <= line <= last:
                return name
        return ''

    def read_lines(self, tracefile):
        path = None
        for text in tracefile.split('\n'):
            if text.startswith('SF:'):
                path = self.inside(text[3:])
            elif text.startswith('DA:') and path:
                number, count = (int(word) for word in text[3:].split(',')[:2])
                item = Item(path, self.function_at(path, number), number, 'line', self.sources.line(path, number))
                self.hit[item] = count > 0


def read_exclusions(path):
    """[(file, function, kind, text, reason)] from paragraphs of `name: value` lines; a further line is indented."""
    with open(path, encoding='utf-8') as file:
        text = re.sub(r'(?m)^#.*\n', '', file.read())
    entries = []
    for paragraph in filter(None, (part.strip('\n') for part in re.split(r'\n\s*\n', text))):
        fields = dict(re.findall(r'(?m)^(\w+): *(.*(?:\n[ \t]+.*)*)', paragraph))
        values = [' '.join(fields.get(name, '').split()) for name in ('file', 'function', 'kind', 'text', 'reason')]
        if not all(values) or len(fields) != 5 or values[2] not in KINDS:
            raise Mistake(f'{path}: this is no exclusion (file, function, kind: {"|".join(KINDS)}, text, reason):\n'
                          f'{paragraph}')
        entries.append(tuple(values))
    return entries


def apply_exclusions(hit, entries):
    """=> ({item: its reason}, complaints). An exclusion has to match, and all that it matches has to be uncovered."""
    excluded, complaints = {}, []
    for *key, reason in entries:
        found = [item for item in hit if [item.file, item.function, item.kind, item.text] == key]
        covered = [item for item in found if hit[item]]
        name = ' '.join(key)
        if not found:
            complaints.append(f'an exclusion matches nothing: {name}')
        for item in covered:
            complaints.append(f'an exclusion is covered after all, line {item.line}: {name}')
        excluded.update({item: reason for item in found if not hit[item]})
    return excluded, complaints
