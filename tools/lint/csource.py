# SPDX-License-Identifier: MIT
"""C source as the lints read it: comments and literals blanked in place, functions found by their braces."""

import argparse
import os
import re
import sys

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
DIRECTIVE = re.compile(r'^[ \t]*#[ \t]*(\w+)((?:\\\n|[^\n])*)', re.M)
SKIPPED_FOLDERS = {'.git', 'build', '__pycache__'}


def blank(text):
    return re.sub(r'[^\n]', ' ', text)


class Comment:
    def __init__(self, source, start, end):
        self.text = source.text[start:end]
        self.start, self.end = start, end
        self.first, self.last = source.line(start), source.line(end - 1)
        line_start = source.text.rfind('\n', 0, start) + 1
        self.alone = source.text[line_start:start].strip() == ''


class Function:
    """A definition: .start is the first character of its declaration, .open and .close are its braces."""

    def __init__(self, source, name, start, opening, closing):
        self.name, self.start, self.open, self.close = name, start, opening, closing
        self.first, self.last = source.line(start), source.line(closing)
        self.lines = self.last - self.first + 1


class Source:
    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding='utf-8', errors='replace', newline='') as file:
            self.text = file.read()
        self.starts = [0] + [m.end() for m in re.finditer('\n', self.text)]
        self.comments = []
        self.plain = self.without_comments()   # comments and literals blanked
        self.code = self.without_directives()  # and directives, and what only C++ sees

    def line(self, position):
        low, high = 0, len(self.starts)
        while high - low > 1:
            middle = (low + high) // 2
            if self.starts[middle] <= position:
                low = middle
            else:
                high = middle
        return low + 1

    def without_comments(self):
        def replace(match):
            token = match.group()
            if token.startswith(('//', '/*')):
                self.comments.append(Comment(self, match.start(), match.end()))
                return blank(token)
            return token[0] + blank(token[1:-1]) + token[-1]
        return TOKEN.sub(replace, self.text)

    def directives(self):
        """(position, word, rest) of each preprocessor directive; continuation lines belong to it."""
        return [(m.start(), m.group(1), m.group(2)) for m in DIRECTIVE.finditer(self.plain)]

    def without_directives(self):
        code = DIRECTIVE.sub(lambda m: blank(m.group()), self.plain)
        for start, end in self.cplusplus():
            code = code[:start] + blank(code[start:end]) + code[end:]
        return code

    def cplusplus(self):
        """Regions between `#ifdef __cplusplus` and its #else or #endif."""
        regions, stack = [], []
        for position, word, rest in self.directives():
            if word in ('if', 'ifdef', 'ifndef'):
                only = word != 'ifndef' and re.fullmatch(r'\s*(defined\s*\(?\s*)?__cplusplus\s*\)?\s*', rest)
                stack.append(position if only else None)
            elif word in ('else', 'elif', 'endif') and stack:
                if stack[-1] is not None:
                    regions.append((stack[-1], position))
                stack[-1] = None
                if word == 'endif':
                    stack.pop()
        return regions

    def top_level(self):
        """(start, end, body) of each declaration outside all braces; body is the opening brace's position or None."""
        depth, start, opening, result = 0, 0, None, []
        for match in re.finditer(r'[{};]', self.code):
            char, position = match.group(), match.start()
            if char == '{':
                if depth == 0:
                    opening = position
                depth += 1
            elif char == '}':
                depth -= 1
                if depth == 0 and function_name(self.code[start:opening]):
                    result.append((start, position + 1, opening))
                    start, opening = position + 1, None
            elif depth == 0:
                result.append((start, position, opening))
                start, opening = position + 1, None
        return [(s + len(self.code[s:e]) - len(self.code[s:e].lstrip()), e, o) for s, e, o in result]

    def functions(self):
        found = []
        for start, end, opening in self.top_level():
            name = opening is not None and function_name(self.code[start:opening])
            if name:
                found.append(Function(self, name, start, opening, end - 1))
        return found

    def comment_above(self, line):
        """The text of the comment lines that end directly above a line, nothing else between."""
        text, wanted = '', line - 1
        for comment in reversed(self.comments):
            if comment.alone and comment.last == wanted:
                text = comment.text + '\n' + text
                wanted = comment.first - 1
        return text


def function_name(declaration):
    """The name, if this text before a brace or semicolon declares a function, else None."""
    text = re.sub(r'__attribute__\s*\(\(.*?\)\)', '', declaration, flags=re.S).strip()
    if not text.endswith(')') or '=' in text or re.match(r'typedef\b', text):
        return None
    depth = 0
    for position in range(len(text) - 1, -1, -1):
        depth += (text[position] == ')') - (text[position] == '(')
        if depth == 0:
            match = re.search(r'([A-Za-z_]\w*)\s*$', text[:position])
            return match.group(1) if match else None
    return None


def files(root, folders, suffixes):
    """Paths relative to root of the files in some folders, sorted; folders that are not there hold none."""
    found = []
    for folder in folders:
        for parent, children, names in os.walk(os.path.join(root, folder)):
            children[:] = [child for child in children if child not in SKIPPED_FOLDERS]
            for name in names:
                if name.endswith(suffixes):
                    found.append(os.path.relpath(os.path.join(parent, name), root))
    return sorted(set(found))


def arguments(description):
    """The command line that all lints share, with argparse's own --help and exit status 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='Exit status: 0 no findings, 1 findings or nothing to check, 2 wrong usage.')
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser.add_argument('--root', default=here, help='the tree to check (default: the one this lint stands in)')
    return parser


def report(name, findings, checked, summary):
    """Print findings and what was checked; returns the exit status. A lint that checked nothing fails."""
    for finding in findings:
        print(finding)
    print(f'{name}: {summary}, {len(findings)} finding{"" if len(findings) == 1 else "s"}')
    if not checked:
        print(f'{name}: nothing to check', file=sys.stderr)
    return 1 if findings or not checked else 0
