/* SPDX-License-Identifier: MIT */
/*
 * X1 on real threads: the attack. The adversary knows everything but the secret: they run the same hash with secrets
 * of their own, collect pages that all fall into one bucket there, or choose regular ones, and have them mapped. In
 * each trial the table draws a new secret, all threads map their share of the pages, and the buckets are counted.
 * Random keys would fill a bucket with more than a bound once in 10^12 tables; no attack may do so once. Over all
 * trials, pairs of pages that share a bucket are compared with what chance gives.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "crew.h"
#include "table/hash.h"

enum { BUCKETS = 64, KEYS = 128, VPN_BITS = 20, ASIDS = 2, KINDS = 4 };

enum { OPERATIONS, TRIALS, TRIALS_COLLIDING, FULLEST, BOUND, PERCENT };

static const struct crew_count counts[] = {
    {"operations", true, false},
    {"trials", true, false},
    {"trials with keys that collide elsewhere", true, false},
    {"mappings in the fullest bucket", true, true},
    {"bound", true, true},
    {"pairs in one bucket, percent of chance", true, true},
    {NULL, false, false},
};

static struct hipt_table *table;
static struct hipt_config config;
static uint64_t guess[4]; /* the adversary's */
static struct hipt_page page[KEYS];
static double pairs;
static double pairs_by_chance;
static unsigned bound;

/* => a bound that the fullest of BUCKETS exceeds with probability 10^-12 if KEYS keys fall at random. */
static unsigned bound_of_chance(void)
{
    double mean = (double)KEYS / BUCKETS;
    double term = exp(-mean);
    double below = 0;
    unsigned n;

    for (n = 0; n < HIPT_CHAIN_LINES_MAX * HIPT_SLOTS; n++) {
        /* the tail from n on is at most its first term over 1 - mean / (n + 1) */
        if (n > mean && BUCKETS * term / (1 - mean / (n + 1)) < 1e-12) {
            break;
        }
        below += term;
        term *= mean / (n + 1);
    }
    return below > 0.5 ? n : 0;
}

/* The key of a page, as every reader of the sources knows it. */
static uint64_t key_of(uint32_t asid, uint64_t vpn)
{
    return (uint64_t)asid << 63 | vpn << (63 - VPN_BITS);
}

/* Pages that share one bucket under the adversary's own secret. */
static void collide(uint64_t *random)
{
    struct hipti_quotient quotient;
    struct hipti_hash hash;
    uint32_t target = crew_draw(random, BUCKETS);
    unsigned count = 0;

    hipti_hash_init(&hash, VPN_BITS + 1u, guess);
    hipti_quotient_init(&quotient, BUCKETS);
    while (count < KEYS) {
        uint32_t asid = crew_draw(random, ASIDS);
        uint64_t vpn = crew_draw(random, 1u << VPN_BITS);

        if (hipti_quotient_place(&quotient, hipti_hash_mix(&hash, key_of(asid, vpn))).bucket == target) {
            page[count++] = (struct hipt_page){asid, 0, vpn};
        }
    }
}

/* Regular pages: in a row, or at a distance of a power of two, or two distances in two address spaces. */
static void regular(unsigned kind, uint64_t *random)
{
    uint64_t first = crew_draw(random, 1u << (VPN_BITS - 1));
    unsigned shift = crew_draw(random, VPN_BITS - 7);
    unsigned i;

    for (i = 0; i < KEYS; i++) {
        uint64_t vpn = kind == 1u ? first + i : kind == 2u ? (uint64_t)i << shift : (uint64_t)(i / 2u) << shift;

        page[i] = (struct hipt_page){kind == 3u ? i & 1u : 0, 0, vpn & ((1u << VPN_BITS) - 1u)};
    }
}

static bool table_make(struct crew *crew)
{
    struct hipt_asid asid;
    unsigned i;

    config.secret = crew->options.canary ? guess : NULL; /* the canary: the secret has leaked */
    if (hipt_table_create(&config, &table) != HIPT_OK) {
        return false;
    }
    for (i = 0; i < ASIDS; i++) {
        (void)hipt_asid_alloc(table, &asid);
    }
    return true;
}

static bool start(struct crew *crew)
{
    config = crew->config;
    config.asid_bits = 1;
    config.va_bits = VPN_BITS + 12u;
    config.nsizes = 1;
    config.buckets = BUCKETS;
    config.sequence_bits = HIPT_SEQUENCE_BITS_MAX; /* nobody waits for a grace period */
    bound = bound_of_chance();
    return table_make(crew);
}

static void choose(struct crew *crew, uint64_t *random)
{
    unsigned kind = crew_draw(random, KINDS);
    unsigned i;

    for (i = 0; i < 4u; i++) {
        guess[i] = crew_random(random) << 16 ^ crew_random(random);
    }
    if (kind == 0 || crew->options.canary) {
        collide(random);
        crew_add(crew, 0, TRIALS_COLLIDING, 1);
    } else {
        regular(kind, random);
    }
}

static void map_share(struct crew *crew, unsigned thread)
{
    unsigned i;

    for (i = thread; i < KEYS; i += crew->options.threads) {
        struct hipt_mapping m = {.page = page[i], .pfn = i, .prot = HIPT_READ};
        enum hipt_status status = hipt_map(table, &m);

        if (status != HIPT_OK && status != HIPT_EXISTS && status != HIPT_FULL) { /* collected keys may come twice */
            crew_broken(crew, "the map of vpn %" PRIu64 " answers: %s", m.page.vpn, hipt_strerror(status));
        }
        crew_add(crew, thread, OPERATIONS, 1);
    }
}

static void count_buckets(struct crew *crew)
{
    struct hipt_stats stats;
    unsigned fullest = 0;
    double mapped;
    unsigned n;

    hipt_table_stats(table, &stats);
    for (n = 0; n <= HIPT_CHAIN_LINES_MAX * HIPT_SLOTS; n++) {
        fullest = stats.per_bucket[n] ? n : fullest;
        pairs += (double)stats.per_bucket[n] * n * (n - 1.0) / 2;
    }
    mapped = (double)stats.mappings;
    pairs_by_chance += mapped * (mapped - 1) / 2 / BUCKETS;
    if (fullest > bound) {
        crew_broken(crew, "%u of %u pages share a bucket of %u; chance gives at most %u", fullest, KEYS, BUCKETS,
                    bound);
    }
    if (fullest > crew_total(crew, FULLEST)) {
        crew_add(crew, 0, FULLEST, fullest - crew_total(crew, FULLEST));
    }
    crew_add(crew, 0, TRIALS, 1);
}

static void body(struct crew *crew, unsigned thread)
{
    uint64_t random = crew_seed(crew, thread);
    bool goes_on = true;

    while (goes_on) {
        if (thread == 0) {
            hipt_table_destroy(table);
            choose(crew, &random);
            if (!table_make(crew)) {
                crew_broken(crew, "there is no memory for a table");
            }
        }
        if (!crew_meet(crew) && !table) {
            return;
        }
        map_share(crew, thread);
        (void)crew_meet(crew);
        if (thread == 0) {
            count_buckets(crew);
        }
        goes_on = crew_meet(crew);
    }
}

static void finish(struct crew *crew)
{
    double percent = pairs_by_chance > 0 ? 100 * pairs / pairs_by_chance : 0;

    hipt_table_destroy(table);
    crew_add(crew, 0, BOUND, bound);
    crew_add(crew, 0, PERCENT, (uint64_t)percent);
    if (percent > 100 * (1 + 8 / sqrt(pairs_by_chance)) + 10) {
        crew_broken(crew, "pairs of pages share a bucket %.0f %% as often as chance has it", percent);
    }
}

int main(int argc, char **argv)
{
    static const struct crew_program program = {
        .letter = "X1",
        .claim = "who does not know the secret cannot choose pages that share a bucket more often than chance has it",
        .count = counts,
        .asid_bits = 1,
        .frames = KEYS,
        .start = start,
        .body = body,
        .finish = finish,
    };

    return crew_main(&program, argc, argv);
}
