# SPDX-License-Identifier: MIT
"""Mutants made from the source: each is one small change of the text of one function.

A mutant's name is room/function/operator/ordinal, so it stays when lines move. The operators:

  order     a memory order weakened by one notch        ignore    an if's condition computed, then taken as false
  negate    an if's condition inverted                  drop      one operand of && or || left out
  once      a retry loop that does not retry            skip      a loop that is not entered
  store     a CAS made a plain store that succeeds      elapsed   a grace period taken as over, or never asked for
  step      + 1 or - 1 left out: versions, sequences    bound     < made <=, == made != and so on
  swap      two adjacent effects in the other order     delete    an effect left out
  state     one state of a protocol taken for another   flag      true made false, and false true
  retry     HIPT_CHANGED answered with HIPT_BUSY

Left out is what cannot be told from the original: the bound of a choice of the smaller or the larger of two, which
are one value where it matters, and hints to the processor, which no test can see. Assertions are left out as well:
they are there to be right, and the killers' eyes.
"""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../tools/lint'))
import csource  # noqa: E402

ROOMS = ['reclaim', 'table', 'frame', 'asid', 'shootdown', 'map']
# No part of a protocol, but for their orders: the validators, by which the killers judge, the checks of arguments and
# configurations, figures, and the comparison of four words.
OTHERS = {f'lib/map/{name}.c' for name in ('valid', 'page', 'table', 'stats')} | {'lib/base/simd.h'}

STORE_OF = {'relaxed': 'relaxed', 'acquire': 'relaxed'}  # all others: release

COMPARE = {'<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '=='}
STATES = {
    'HIPTI_FREE': 'HIPTI_CLAIMED', 'HIPTI_CLAIMED': 'HIPTI_FREE', 'HIPTI_PARKED': 'HIPTI_FREE',
    'HIPTI_ENDED': 'HIPTI_FROZEN', 'HIPTI_TENTATIVE': 'HIPTI_LIVE', 'HIPTI_FROZEN': 'HIPTI_ENDED',
    'HIPTI_LIVE': 'HIPTI_HELD', 'HIPTI_HELD': 'HIPTI_LIVE', 'HIPT_FRAME_FREE': 'HIPT_FRAME_OWNED',
    'HIPT_FRAME_OWNED': 'HIPT_FRAME_MAPPED', 'HIPT_FRAME_MAPPED': 'HIPT_FRAME_OWNED',
    'HIPT_FRAME_UNMAPPING': 'HIPT_FRAME_LIMBO', 'HIPT_FRAME_LIMBO': 'HIPT_FRAME_FREE',
    'LIFE_ACTIVE': 'LIFE_RETIRING', 'LIFE_RETIRING': 'LIFE_ACTIVE',
}

ATOMIC = re.compile(r'hipti_(load|store|exchange|cas|fetch_add|fetch_sub|fetch_or)_(relaxed|acquire|release|acq_rel|'
                    r'seq_cst)\s*\(')
EFFECT = re.compile(r'(\(void\)\s*)?(?!if|for|while|switch|return|sizeof|do|HIPTI_)[a-zA-Z_]\w*\s*\(')
ASSERTION = re.compile(r'\bHIPTI_(REQUIRE|INVARIANT|WALK)\s*\(')
ASSIGNMENT = re.compile(r'[^=!<>;{}]*[^=!<>|&+\-*/;{}]=(?!=)')


class Mutant:
    """
    Replacements in files: .changes maps a path to a list of (start, end, text). Where .plant is set they are for people:
    the order is weakened at run time, as hipt-weak's --plant has it, and may lead to programs for .function. Killers with
    .first in their name are tried before the others.
    """

    def __init__(self, name, operator, changes, kind='code', breaks='', letter=''):
        self.name, self.operator, self.changes = name, operator, changes
        self.kind, self.breaks, self.letter = kind, breaks, letter
        self.plant = self.function = self.first = ''

    @property
    def rooms(self):
        return {path.split('/')[1] for path in self.changes}

    def text(self, path, original):
        result = original
        for start, end, text in sorted(self.changes[path], reverse=True):
            result = result[:start] + text + result[end:]
        return result


def weaker(kind, order):
    """The orders one notch below, for an access of this kind. A failed CAS reads relaxed: it has no order to weaken."""
    if order == 'seq_cst':
        return {'load': ['acquire'], 'store': ['release']}.get(kind, ['acq_rel'])
    return {'acq_rel': ['acquire', 'release'], 'acquire': ['relaxed'], 'release': ['relaxed']}.get(order, [])


def closing(code, opening):
    """The position of the parenthesis that closes the one at @opening."""
    depth = 0
    for position in range(opening, len(code)):
        depth += (code[position] in '([{') - (code[position] in ')]}')
        if depth == 0:
            return position
    raise ValueError('parentheses do not match')


def split_top(code, start, end, separators):
    """The ranges of code[start:end] between separators that stand outside all parentheses."""
    parts, depth, begin, position = [], 0, start, start
    while position < end:
        depth += (code[position] in '([{') - (code[position] in ')]}')
        found = depth == 0 and next((s for s in separators if code.startswith(s, position)), None)
        if found:
            parts.append((begin, position))
            position = begin = position + len(found)
        else:
            position += 1
    return parts + [(begin, end)]


def trimmed(code, start, end):
    text = code[start:end]
    return start + len(text) - len(text.lstrip()), end - (len(text) - len(text.rstrip()))


# Fetching a line early: a statement that does, and functions that do nothing else.
HINT = re.compile(r'HIPT_PORT_PREFETCH\(|(hipti_)?(fetch|ahead)_\w+\(|(un)?map_batch_fetch(_cell)?\(')
HINTING = re.compile(r'(hipti_)?(fetch|ahead)_\w+$|unmap_batch_fetch$|map_batch_fetch_cell$')


class Maker:
    """Collects the mutants of one function."""

    def __init__(self, source, room, function):
        self.source, self.code, self.text = source, source.code, source.text
        self.room, self.function = room, function
        self.start, self.end = function.open + 1, function.close
        self.mutants, self.counts = [], {}
        self.assertions = [(match.start(), closing(self.code, match.end() - 1)) for match in self.find(ASSERTION)]

    def add(self, operator, *changes, plant=''):
        if any(start <= changes[0][0] < end for start, end in self.assertions):
            return
        ordinal = self.counts[operator] = self.counts.get(operator, 0) + 1
        name = f'{self.room}/{self.function.name}/{operator}/{ordinal}'
        kind = 'order' if operator == 'order' else 'code'
        self.mutants.append(Mutant(name, operator, {self.source.path: list(changes)}, kind))
        self.mutants[-1].plant, self.mutants[-1].function = plant, self.function.name

    def find(self, pattern):
        return re.compile(pattern).finditer(self.code, self.start, self.end)

    def arguments(self, opening):
        end = closing(self.code, opening)
        parts = split_top(self.code, opening + 1, end, ',')
        return [self.text[slice(*trimmed(self.code, *part))] for part in parts], end

    def orders(self):
        for match in ATOMIC.finditer(self.code, self.start, self.end):
            kind, order = match.groups()
            arguments, end = self.arguments(match.end() - 1)
            first, last = self.source.line(match.start()), self.source.line(end)
            where = f'{self.source.path.removeprefix("lib/")}:{first}' + (f'-{last}' if last > first else '')
            for new in weaker(kind, order):
                self.add('order', (match.start(), end + 1, f'hipti_{kind}_{new}({", ".join(arguments)})'),
                         plant=f'{where}:{order}={new}')

    def stores(self):
        for match in ATOMIC.finditer(self.code, self.start, self.end):
            if match.group(1) == 'cas':
                (place, _, value), end = self.arguments(match.end() - 1)
                order = STORE_OF.get(match.group(2), 'release')
                self.add('store', (match.start(), end + 1, f'(hipti_store_{order}({place}, {value}), true)'))

    def grace(self):
        for match in self.find(r'[\w>.\-]*\b(gp_elapsed|gp_start)\s*\('):
            end = closing(self.code, match.end() - 1)
            self.add('elapsed', (match.start(), end + 1, 'true' if match.group(1) == 'gp_elapsed' else 'UINT64_C(1)'))

    def operands(self, start, end):
        """Drop each operand of an expression's && and ||, those in parentheses included."""
        start, end = trimmed(self.code, *split_top(self.code, start, end, '?')[0])
        for operator, neutral in (('||', '0'), ('&&', '1')):
            parts = split_top(self.code, start, end, [operator])
            if len(parts) > 1:
                for part in parts:
                    first, last = trimmed(self.code, *part)
                    self.add('drop', (first, last, neutral))
                    self.operands(first, last)
                return
        if start < end and self.code[start] == '(' and closing(self.code, start) == end - 1:
            self.operands(start + 1, end - 1)

    def conditions(self):
        for match in self.find(r'\b(if|while|for)\s*\('):
            word, opening = match.group(1), match.end() - 1
            end = closing(self.code, opening)
            start = opening + 1
            if word == 'for':
                start, end = split_top(self.code, start, end, ';')[1]
                if not self.code[start:end].strip():
                    continue
            self.operands(start, end)
            whole = self.text[start:end]
            if word == 'if':
                self.add('negate', (start, end, f'!({whole})'))
                self.add('ignore', (start, end, f'(({whole}), 0)'))
            elif word == 'while' and self.code[closing(self.code, opening) + 1:].lstrip()[:1] == ';':
                self.add('once', (start, end, f'(({whole}), 0)'))
            else:
                self.add('skip', (start, end, f'0 && ({whole})'))
        for match in self.find(r'(\breturn\b|[^=!<>]=(?=\s))[^;{}]*;'):
            begin = match.start() + (6 if match.group(1) == 'return' else 2)
            if match.end() <= self.end and self.code[begin:match.end()].count('(') == \
                    self.code[begin:match.end()].count(')'):
                self.operands(begin, match.end() - 1)

    def bounds(self):
        for match in self.find(r' (<|<=|>|>=|==|!=) '):
            if (match.group(1) not in ('==', '!=') or self.is_part(match.start())) and not self.is_choice(match):
                self.add('bound', (match.start(1), match.end(1), COMPARE[match.group(1)]))

    def is_choice(self, match):
        """Whether a comparison is that of `a < b ? a : b`."""
        other, colon = self.code.find(' ? ', match.end()), self.code.find(' : ', match.end())
        if not match.end() <= other < colon <= self.end:
            return False
        left, right = self.code[other + 3:colon], self.code[match.end():other]
        return self.code.startswith(right, colon + 3) and self.code[colon + 3 + len(right)] in ';,)' and \
            re.search(r'(= |\breturn |\()' + re.escape(left) + '$', self.code[:match.start()]) is not None

    def is_part(self, position):
        """Whether a comparison is not an if's whole condition, whose inversion `negate` makes already."""
        for match in self.find(r'\bif\s*\('):
            end = closing(self.code, match.end() - 1)
            if match.end() <= position < end:
                return bool(re.search(r'&&|\|\||\?', self.code[match.end():end]))
        return True

    def constants(self):
        for match in self.find(r' ([+-]) 1u?\b'):
            self.add('step', (match.end(1), match.end(), ' 0u'))
        for match in self.find(r'\b(true|false)\b'):
            self.add('flag', (match.start(), match.end(), 'false' if match.group() == 'true' else 'true'))
        for match in self.find(r'\b(' + '|'.join(STATES) + r')\b'):
            if not re.search(r'\bcase\s*$', self.code[:match.start()]):
                self.add('state', (match.start(), match.end(), STATES[match.group()]))
        for match in self.find(r'\bHIPT_CHANGED\b'):
            self.add('retry', (match.start(), match.end(), 'HIPT_BUSY'))

    def statements(self):
        """(start, end, follows) of the plain statements; follows: its predecessor is one, in the same block."""
        depth, start, previous, result = 0, self.start, None, []
        for position in range(self.start, self.end):
            char = self.code[position]
            depth += (char in '([') - (char in ')]')
            label = char == ':' and re.match(r'\s*(case\b|default\b)', self.code[start:position])
            if depth == 0 and (char in '{};' or label):
                first, _ = trimmed(self.code, start, position)
                if char == ';' and first < position:
                    result.append((first, position + 1, previous == start))
                    previous = position + 1
                start = position + 1
        return result

    def effects(self):
        last = None
        for start, end, follows in self.statements():
            code = self.code[start:end]
            if HINT.match(code):
                last = None
                continue
            call = EFFECT.match(code) is not None
            effect = call or ASSIGNMENT.match(code) and re.match(r'[\w>.\-]+(->|\.)[\w\[\]]+ = ', code)
            if call and not code.startswith('(void)') or 'hipti_' in code and call:
                self.add('delete', (start, end, '(void)0;'))
            if effect and last and follows and (call or last[2]):
                self.add('swap', (last[0], last[1], self.text[start:end]), (start, end, self.text[last[0]:last[1]]))
            last = (start, end, call) if effect else None

    def make(self):
        for step in (self.stores, self.grace, self.conditions, self.bounds, self.constants, self.effects):
            step()
        return self.mutants


def sources(root):
    """The files that mutants are made of; one of a lower room has orders too."""
    files = csource.files(root, [f'lib/{room}' for room in ROOMS], ('.c', '.h'))
    return [path for path in ['lib/base/simd.h'] if os.path.exists(os.path.join(root, path))] + files


def generate(root):
    """All mutants of the rooms, in the order of their files."""
    mutants = []
    for path in sources(root):
        source = csource.Source(root, path)
        for function in source.functions():
            maker = Maker(source, path.split('/')[1], function)
            maker.orders()
            mutants += maker.mutants if path in OTHERS or HINTING.match(function.name) else maker.make()
    names = [mutant.name for mutant in mutants]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f'two mutants of one name: {", ".join(sorted(twice))}')
    return mutants
