# SPDX-License-Identifier: MIT
"""What stands in files beside this one: mutants written by hand, arguments of equivalence, and the table of killers."""
import glob
import os
import re
import shlex
import sys

sys.dont_write_bytecode = True
from operators import Mutant  # noqa: E402

FOLDER = 'tests/mutants'
FIELD = re.compile(r'^(name|letter|kind|file|first|breaks): *(.*)$')


class Mistake(Exception):
    """A file of this folder, or the command line, says something that cannot be."""


class Killer:
    def __init__(self, rooms, kinds, program, command):
        self.rooms, self.kinds, self.program, self.command = rooms, kinds, program, command
        self.kept = None  # the program as the unchanged tree has it
        words = [word for word in command[command.index('{program}') + 1:] if not re.match(r'-\w', word)]
        self.name = ' '.join([program] + words).replace('{plant}', '--plant')

    def takes(self, mutant):
        """An order is seen by who models orders: on the machines at hand the weaker one is the same instruction."""
        return bool(self.rooms & mutant.rooms) and self.kinds in (('plant',) if mutant.plant else ('all', mutant.kind))

    def arguments(self, mutant):
        """The command, its {program} and {root} still to be named. What is planted takes the place of {plant}."""
        plant = ['--plant', mutant.plant, '--for', mutant.function] if mutant and mutant.plant else []
        return [part for word in self.command for part in (plant if word == '{plant}' else [word])]


def near_first(killers, mutant):
    """
    The killers in the order in which they are tried on a mutant: those that its .mut file names, then the tests that are
    called after a file which it changes, as test_map_moves after lib/map/move.c, then the others.
    """
    nouns = tuple('test_' + os.path.splitext(path)[0][4:].replace('/', '_').rstrip('s') for path in mutant.changes)
    return sorted(killers, key=lambda killer: (not mutant.first or mutant.first not in killer.name,
                                               not killer.program.startswith(nouns)))


def killers(root):
    path, result = os.path.join(root, FOLDER, 'killers'), []
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            words = shlex.split(line, comments=True)
            if words and (len(words) < 4 or words[1] not in ('all', 'code', 'order', 'plant') or '{program}' not in words):
                raise Mistake(f'{path}:{number}: not "rooms kinds program command", with {{program}} in the command')
            if words:
                result.append(Killer(set(words[0].split(',')), words[1], words[2], words[3:]))
    return result


def parse_hand(path):
    """The fields and the (file, from, to) of one .mut file."""
    fields, pairs, part = {'breaks': ''}, [], None
    with open(path, encoding='utf-8') as file:
        for line in file.read().split('\n'):
            match = FIELD.match(line)
            if line in ('--- from', '--- to', '--- end'):
                part = line[4:]
                if part == 'from':
                    pairs.append({'file': fields.get('file'), 'from': [], 'to': []})
            elif part in ('from', 'to'):
                pairs[-1][part].append(line)
            elif match and match.group(1) == 'breaks':
                fields['breaks'] += (' ' if fields['breaks'] else '') + match.group(2)
            elif match:
                fields[match.group(1)] = match.group(2)
            elif line.strip():
                raise Mistake(f'{path}: what is "{line}"?')
    missing = [field for field in ('name', 'letter', 'file', 'breaks') if not fields.get(field)]
    if missing or not pairs or part != 'end':
        raise Mistake(f'{path}: without {", ".join(missing) or "a change that ends with --- end"}')
    return fields, pairs


def hand(root):
    """The mutants written by hand; each text to be replaced stands exactly once in its file."""
    result = []
    for path in sorted(glob.glob(os.path.join(root, FOLDER, 'hand/*.mut'))):
        fields, pairs = parse_hand(path)
        changes = {}
        for pair in pairs:
            with open(os.path.join(root, pair['file']), encoding='utf-8') as file:
                text = file.read()
            old, new = '\n'.join(pair['from']), '\n'.join(pair['to'])
            if text.count(old) != 1:
                raise Mistake(f'{path}: its text stands {text.count(old)} times in {pair["file"]}, not once')
            start = text.index(old)
            changes.setdefault(pair['file'], []).append((start, start + len(old), new))
        result.append(Mutant(f'hand/{fields["name"]}', 'hand', changes, fields.get('kind', 'code'), fields['breaks'],
                             fields['letter']))
        result[-1].first = fields.get('first', '')
    return result


def equivalents(root):
    """Name of a mutant -> why no test can tell it from the original. An argument of less than a sentence is none."""
    path, result, names = os.path.join(root, FOLDER, 'equivalent.md'), {}, []
    if not os.path.exists(path):
        return result
    with open(path, encoding='utf-8') as file:
        for line in file:
            heading = re.match(r'## +(.*\S)', line)
            if heading:
                names = re.findall(r'`([^`]+)`', heading.group(1))
                result.update({name: '' for name in names})
            elif line.startswith('#'):
                names = []
            else:
                for name in names:
                    result[name] += line
    unargued = [name for name, text in result.items() if len(text.split()) < 8]
    if unargued:
        raise Mistake(f'{path}: no argument for {", ".join(unargued)}')
    return result


def purposes(root):
    """The functions for whose orders tests/weak/programs.c has programs."""
    path = os.path.join(root, 'tests/weak/programs.c')
    if not os.path.exists(path):
        return set()
    with open(path, encoding='utf-8') as file:
        return set(re.findall(r'\{"(\w+)", "[^"]+"\},', file.read()))
