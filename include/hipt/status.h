/* SPDX-License-Identifier: MIT */
/*
 * Status of an operation. The set is closed: every verb documents which of these it returns and what state each
 * leaves behind. The first group are outcomes, not failures; the second is scarcity; the third is bad input.
 * Unless a contract says otherwise, whatever is not HIPT_OK has changed nothing.
 */
#ifndef HIPT_STATUS_H
#define HIPT_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

enum hipt_status {
    HIPT_OK = 0,

    /* Outcomes. */
    HIPT_ABSENT,  /* nothing is mapped there */
    HIPT_EXISTS,  /* (asid, vpn) is mapped already */
    HIPT_OVERLAP, /* a mapping of another page size covers or lies inside this page */
    HIPT_BUSY,    /* the page or frame is being changed by somebody else, or waits for a grace period: try again */
    HIPT_CHANGED, /* the mapping is no longer the one that was read */
    HIPT_PENDING, /* begun; other CPUs have not acknowledged yet, or a grace period has not passed: go on later */
    HIPT_DIRTY,   /* a written page of a file cannot be unmapped lazily; it stays mapped */
    HIPT_DENIED,  /* the mapping does not allow this access */
    HIPT_CANNOT_WAIT, /* this would wait for other CPUs, and the caller may not; to unmap, use a gather */
    HIPT_UNLIKE,  /* pages cannot become one: their frames are not in a row, or they allow different things */

    /* Scarcity. */
    HIPT_NOMEM,   /* the host's memory hook returned nothing */
    HIPT_FULL,    /* a counter or a chain is at its bound */
    HIPT_NO_ASID, /* every asid is in use or in limbo */

    /* Bad input. */
    HIPT_BAD_ASID,      /* asid out of range, or not allocated */
    HIPT_BAD_VPN,       /* vpn, or the end of the range, beyond the virtual address width, or not where it may be */
    HIPT_BAD_PFN,       /* pfn outside every frame range */
    HIPT_BAD_SIZE,      /* no such size class, or none that fits here */
    HIPT_BAD_PROT,      /* protection empty, or with bits that do not exist */
    HIPT_BAD_ATTR,      /* attribute bits that do not exist */
    HIPT_UNALIGNED,     /* vpn or pfn is not a multiple of the page size */
    HIPT_BAD_OPS,       /* a mandatory hook is missing, or the structure's size is unknown */
    HIPT_BAD_ASID_BITS, /* configuration: asid width out of range */
    HIPT_BAD_VA_BITS,   /* configuration: va width out of range */
    HIPT_BAD_SIZES,     /* configuration: size classes empty, too many, unordered or wider than the va */
    HIPT_BAD_WIDTH,     /* configuration: the key is wider than 64 bits */
    HIPT_FEW_BUCKETS,   /* configuration: fewer buckets than the key's width needs */
    HIPT_MANY_BUCKETS,  /* more buckets than a slot reference can name, or than the table was made for */
    HIPT_BAD_RANGE,     /* configuration: frame ranges empty, overlapping or too wide */
    HIPT_BAD_VERSION,   /* configuration: version or sequence width out of range */
    HIPT_BAD_CPU,       /* number, tag width or count of CPUs out of range, or a hook of its cache is missing */
    HIPT_BAD_MODE,      /* no such mode, or the table or host has not what it needs */
    HIPT_BAD_NODE,      /* number of nodes, or a node, out of range */
    HIPT_BAD_DISTANCE,  /* topology: the distance of a node to itself, or to another one, out of range */
    HIPT_BAD_TEXT,      /* a description in words that cannot be read */

    HIPT_STATUS_COUNT
};

/**
 * hipt_strerror() - One line that says what a status means.
 * @status: any value; unknown ones get a text of their own.
 *
 * Shape:    O(1); a constant string, never NULL.
 * Progress: wait-free.
 * Order:    none.
 * Context:  any; signal-safe.
 * Owns:     nothing; the string is static.
 * Errors:   none.
 * Upholds:  nothing beyond its text.
 */
const char *hipt_strerror(enum hipt_status status);

#ifdef __cplusplus
}
#endif
#endif
