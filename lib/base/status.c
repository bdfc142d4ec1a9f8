/* SPDX-License-Identifier: MIT */
#include <hipt/status.h>

const char *hipt_strerror(enum hipt_status status)
{
    static const char *const texts[HIPT_STATUS_COUNT] = {
        "done",
        "nothing is mapped there",
        "the page is mapped already",
        "a mapping of another page size overlaps the page",
        "the page or frame is being changed by another thread, or waits for a grace period",
        "the mapping is no longer the one that was read",
        "other CPUs have not acknowledged yet, or a grace period has not passed",
        "a written page of a file cannot be unmapped lazily",
        "the mapping does not allow this access",
        "this would wait for other CPUs, and the caller may not",
        "the pages cannot become one: frames not in a row from an aligned one, or different protection or attribute",
        "no memory",
        "a counter or a chain is at its bound",
        "every asid is in use or waits for a grace period",
        "the asid is out of range or not allocated",
        "the vpn, or the end of the range, is beyond the virtual address width, outside the page, or out of order",
        "the pfn is outside every frame range",
        "there is no such size class, or none that fits here",
        "the protection is empty or has unknown bits",
        "the attribute or marks have unknown bits",
        "the vpn or pfn is not a multiple of the page size",
        "a mandatory hook is missing, the structure's size is unknown, or there is no such port",
        "the asid width is out of range",
        "the virtual address width is out of range",
        "the size classes are empty, too many, not ascending or wider than the virtual address",
        "the key is wider than 64 bits",
        "there are fewer buckets than the key's width needs",
        "there are more buckets than a slot number can name, or than the table was made for",
        "the frame ranges are empty, overlapping or too wide",
        "the version or sequence width is out of range",
        "the CPU's number, its tag width or the number of CPUs is out of range, or a hook of its cache is missing",
        "there is no such mode, or the table or the host has not what it needs",
        "the node, or the number of nodes, is out of range",
        "a node's distance to itself is not 10, or one to another node not above 10",
        "the description cannot be read",
    };

    if ((unsigned)status >= (unsigned)HIPT_STATUS_COUNT) {
        return "no such status";
    }
    return texts[status];
}
