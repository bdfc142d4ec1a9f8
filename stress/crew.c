/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "crew.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "resizers.h"
#include "support/step.h"

#define NANOSECONDS UINT64_C(1000000000)
#define LOOKS 64u /* for the others at a meeting, before sleeping */
#define STUCK_SECONDS 60u /* that threads get to come to their end when time is up */

/* How to run this again, ready to be written when a check of the library traps. */
static char replay_line[512];

static const char help[] =
    "  --seconds S        how long (2)\n"
    "  --threads N        how many, 2 to 8 (3)\n"
    "  --seed N           of the threads' generators (1)\n"
    "  --grace urcu|ck    where grace periods come from (ck where many are needed, else urcu)\n"
    "  --delivery poll|signal|membarrier  how CPUs learn what they are asked for, where the program has CPUs (poll)\n"
    "  --ttl N            microseconds that a cached translation lives, 0: for ever, where the program has CPUs (0)\n"
    "  --buckets N        of the table (1)\n"
    "  --sizes N          page sizes, 1 to 3, where the program has several (3)\n"
    "  --frames N         how many, where the program does not say (16)\n"
    "  --version-bits N   lives of a slot between two grace periods, 2^N (10)\n"
    "  --sequence-bits N  commits of a bucket in three grace periods, 2^N (20)\n"
    "  --yield N          stand aside before one of N accesses to shared words, 0: never (64)\n"
    "  --give N           of these, give the processor away one in N times, and else wait up to 200 ns (8)\n"
    "  --resizers N       further threads that grow, shrink and re-key the crew's table all the time, 0 to 4 (0)\n"
    "  --nodes N          made up, 2 to 4, and the resizers move spaces from one to another, too; 0: none (0)\n"
    "  --stop N           stop a resizer in a move until each thread has done N operations, and again, 0: never (0)\n"
    "  --no-grace         a planted bug: grace periods end at once\n"
    "  --progress         a line on stderr every second\n"
    "  --json             one JSON object in place of text\n"
    "  --help\n"
    "Exit status: 0 it held, 1 it did not, or nothing was shown, 2 wrong usage or no memory.\n";

static uint64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

static const char *const deliveries[] = {"poll", "signal", "membarrier"};

/* --- options */

static void options_init(struct crew_options *options, const struct crew_program *program)
{
    memset(options, 0, sizeof(*options));
    options->grace = program->grace;
    options->seconds = 2;
    options->threads = 3;
    options->seed = 1;
    options->buckets = 1;
    options->sizes = 3;
    options->frames = 16;
    options->version_bits = HIPT_VERSION_BITS_MAX;
    options->sequence_bits = HIPT_SEQUENCE_BITS_MAX;
    options->yield = 64;
    options->give = 8;
}

/* => whether @text is a number in the bounds. */
static bool number_read(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    char *end;

    *number = strtoull(text, &end, 0);
    return end != text && *end == '\0' && *number >= least && *number <= most;
}

static bool option_number(struct crew_options *options, const char *name, const char *text)
{
    static const struct {
        const char *name;
        uint64_t least;
        uint64_t most;
    } known[] = {{"--threads", 2, CREW_THREADS_MAX}, {"--seed", 0, UINT64_MAX}, {"--buckets", 1, 1u << 20},
                 {"--sizes", 1, 3}, {"--frames", 4, 4096}, {"--version-bits", 1, HIPT_VERSION_BITS_MAX},
                 {"--sequence-bits", 2, HIPT_SEQUENCE_BITS_MAX}, {"--yield", 0, 1u << 20},
                 {"--ttl", 0, 1000000}, {"--resizers", 0, CREW_RESIZERS_MAX}, {"--stop", 0, UINT32_MAX},
                 {"--give", 1, 1u << 20}, {"--nodes", 0, CREW_NODES_MAX}};
    uint64_t number;
    size_t i = 0;

    while (i < sizeof(known) / sizeof(known[0]) && strcmp(known[i].name, name) != 0) {
        i++;
    }
    if (i == sizeof(known) / sizeof(known[0]) || !number_read(text, known[i].least, known[i].most, &number)) {
        return false;
    }
    switch (i) {
    case 0: options->threads = (unsigned)number; break;
    case 1: options->seed = number; break;
    case 2: options->buckets = number; break;
    case 3: options->sizes = (unsigned)number; break;
    case 4: options->frames = (unsigned)number; break;
    case 5: options->version_bits = (unsigned)number; break;
    case 6: options->sequence_bits = (unsigned)number; break;
    case 7: options->yield = (unsigned)number; break;
    case 8: options->ttl = number * 1000u; break;
    case 9: options->resizers = (unsigned)number; break;
    case 10: options->stop = (unsigned)number; break;
    case 11: options->give = (unsigned)number; break;
    default: options->nodes = (unsigned)number; break;
    }
    return true;
}

/* => whether @name with @text, which may be NULL, is an option that takes a value. */
static bool option_value(struct crew_options *options, const char *name, const char *text)
{
    char *end;

    if (!text) {
        return false;
    }
    if (strcmp(name, "--seconds") == 0) {
        options->seconds = strtod(text, &end);
        return end != text && *end == '\0' && options->seconds > 0 && options->seconds < 1e6;
    }
    if (strcmp(name, "--grace") == 0) {
        options->grace = strcmp(text, "ck") == 0 ? HIPT_USER_CK : HIPT_USER_URCU;
        return strcmp(text, "ck") == 0 || strcmp(text, "urcu") == 0;
    }
    if (strcmp(name, "--delivery") == 0) {
        options->delivery = HIPT_USER_POLL;
        while (options->delivery <= HIPT_USER_MEMBARRIER && strcmp(text, deliveries[options->delivery]) != 0) {
            options->delivery++;
        }
        return options->delivery <= HIPT_USER_MEMBARRIER;
    }
    return option_number(options, name, text);
}

static bool option_flag(struct crew_options *options, const char *name)
{
    options->progress = options->progress || strcmp(name, "--progress") == 0;
    options->json = options->json || strcmp(name, "--json") == 0;
    options->canary = options->canary || strcmp(name, "--canary") == 0;
    options->no_grace = options->no_grace || strcmp(name, "--no-grace") == 0;
    return strcmp(name, "--progress") == 0 || strcmp(name, "--json") == 0 || strcmp(name, "--canary") == 0 ||
           strcmp(name, "--no-grace") == 0;
}

/* => false: the caller shall return *status. */
static bool options_read(struct crew *crew, int argc, char **argv, int *status)
{
    int i;

    options_init(&crew->options, crew->program);
    for (i = 1; i < argc; i++) {
        *status = strcmp(argv[i], "--help") == 0 ? 0 : 2;
        if (*status == 0) {
            printf("usage: stress_%s [options]\n%s: %s.\n%s", crew->program->letter, crew->program->letter,
                   crew->program->claim, help);
            return false;
        }
        if (option_flag(&crew->options, argv[i])) {
            continue;
        }
        if (!option_value(&crew->options, argv[i], argv[i + 1])) {
            fprintf(stderr, "stress_%s: %s %s: no such option, or its value is missing or out of range; see --help\n",
                    crew->program->letter, argv[i], argv[i + 1] ? argv[i + 1] : "");
            return false;
        }
        i++;
    }
    return true;
}

static void replay_write(const struct crew *crew)
{
    const struct crew_options *o = &crew->options;

    (void)snprintf(replay_line, sizeof(replay_line),
                   "stress_%s --seconds %g --threads %u --seed %" PRIu64 " --grace %s --delivery %s --ttl %" PRIu64
                   " --buckets %" PRIu64
                   " --sizes %u --frames %u --version-bits %u --sequence-bits %u --yield %u --give %u"
                   " --resizers %u --nodes %u --stop %u%s%s",
                   crew->program->letter, o->seconds, o->threads, o->seed, o->grace == HIPT_USER_CK ? "ck" : "urcu",
                   deliveries[o->delivery], o->ttl / 1000u, o->buckets, o->sizes, o->frames, o->version_bits,
                   o->sequence_bits, o->yield, o->give, o->resizers, o->nodes, o->stop,
                   o->canary ? " --canary" : "", o->no_grace ? " --no-grace" : "");
}

/* --- what is broken */

void crew_broken(struct crew *crew, const char *format, ...)
{
    va_list arguments;

    if (atomic_fetch_add(&crew->violations, 1u) == 0) {
        va_start(arguments, format);
        fprintf(stderr, "stress_%s: broken: ", crew->program->letter);
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
        va_end(arguments);
    }
    atomic_store(&crew->over, true);
}

/* The library's own checks trap, and what has been given back may be gone. */
static void trap_caught(int number)
{
    static const char trapped[] = "stress: broken: a check of the library trapped\nreplay: ";
    static const char lost[] = "stress: broken: there is no memory where it is looked for\nreplay: ";

    if (number == SIGSEGV) {
        (void)!write(STDERR_FILENO, lost, sizeof(lost) - 1u);
    } else {
        (void)!write(STDERR_FILENO, trapped, sizeof(trapped) - 1u);
    }
    (void)!write(STDERR_FILENO, replay_line, strlen(replay_line));
    (void)!write(STDERR_FILENO, "\n", 1);
    _exit(1);
}

/* A sanitizer says more about a lost address than this does. */
static void traps_catch(void)
{
    struct sigaction trap;
    struct sigaction before;

    memset(&trap, 0, sizeof(trap));
    trap.sa_handler = trap_caught;
    (void)sigaction(SIGILL, &trap, NULL);
    (void)sigaction(SIGTRAP, &trap, NULL);
    if (sigaction(SIGSEGV, NULL, &before) == 0 && before.sa_handler == SIG_DFL) {
        (void)sigaction(SIGSEGV, &trap, NULL);
    }
}

/* --- threads */

struct crew_thread {
    struct crew *crew;
    unsigned number;
    pthread_t thread;
};

static void *thread_main(void *arg)
{
    struct crew_thread *thread = arg;

    thread->crew->program->body(thread->crew, thread->number);
    atomic_fetch_add(&thread->crew->gone, 1u);
    return NULL;
}

/* Who comes last lets the others go on. They look a few times, then sleep: processors may be fewer than threads. */
bool crew_meet(struct crew *crew)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t all_there = PTHREAD_COND_INITIALIZER;
    unsigned meeting = atomic_load(&crew->meeting);
    unsigned looks = 0;

    if (atomic_fetch_add(&crew->arrived, 1u) + 1u == crew->options.threads) {
        atomic_store(&crew->ended, crew_is_over(crew));
        atomic_store(&crew->arrived, 0);
        (void)pthread_mutex_lock(&lock);
        atomic_fetch_add(&crew->meeting, 1u);
        (void)pthread_cond_broadcast(&all_there);
        (void)pthread_mutex_unlock(&lock);
    }
    while (atomic_load(&crew->meeting) == meeting && looks++ < LOOKS) {
        sched_yield();
    }
    (void)pthread_mutex_lock(&lock);
    while (atomic_load(&crew->meeting) == meeting) {
        (void)pthread_cond_wait(&all_there, &lock);
    }
    (void)pthread_mutex_unlock(&lock);
    return !atomic_load(&crew->ended);
}

uint64_t crew_total(struct crew *crew, unsigned count)
{
    uint64_t total = 0;
    unsigned t;

    for (t = 0; t < CREW_THREADS_MAX; t++) {
        total += atomic_load_explicit(&crew->counts[t].n[count], memory_order_relaxed);
    }
    return total;
}

/* Until time is up and all threads have come to their end. => false: some never do. */
static bool threads_watch(struct crew *crew)
{
    uint64_t begin = now();
    uint64_t end = begin + (uint64_t)(crew->options.seconds * (double)NANOSECONDS);
    uint64_t told = begin;

    while (atomic_load(&crew->gone) < crew->options.threads) {
        struct timespec pause = {0, 2000000};
        uint64_t time = now();

        (void)nanosleep(&pause, NULL);
        if (time >= end) {
            atomic_store(&crew->over, true);
        }
        if (time > end + STUCK_SECONDS * NANOSECONDS) {
            return false;
        }
        if (crew->options.progress && time - told >= NANOSECONDS) {
            told = time;
            fprintf(stderr, "stress_%s: %" PRIu64 " s, %" PRIu64 " operations\n", crew->program->letter,
                    (time - begin) / NANOSECONDS, crew_total(crew, CREW_OPERATIONS));
        }
    }
    crew->nanoseconds = now() - begin;
    return true;
}

static void threads_run(struct crew *crew)
{
    struct crew_thread thread[CREW_THREADS_MAX];
    unsigned t;

    for (t = 0; t < crew->options.threads; t++) {
        thread[t].crew = crew;
        thread[t].number = t;
        if (pthread_create(&thread[t].thread, NULL, thread_main, &thread[t]) != 0) {
            fprintf(stderr, "stress_%s: no thread\n", crew->program->letter);
            _exit(2); /* those that run wait for it */
        }
    }
    resizers_start(crew);
    if (!threads_watch(crew)) {
        fprintf(stderr, "stress_%s: broken: threads do not come to their end\nreplay: %s\n", crew->program->letter,
                replay_line);
        _exit(1);
    }
    for (t = 0; t < crew->options.threads; t++) {
        (void)pthread_join(thread[t].thread, NULL);
    }
    resizers_join(crew);
}

/* --- the table */

/* The planted bug. */
static bool elapsed_at_once(void *ctx, uint64_t cookie)
{
    (void)ctx;
    (void)cookie;
    return true;
}

/* As many nodes as the options say, and as many buckets in each shard as they say. => false: no memory. */
static bool nodes_open(struct crew *crew)
{
    char words[16];

    if (crew->options.nodes == 0) {
        return true;
    }
    (void)snprintf(words, sizeof(words), "%ux1", crew->options.nodes);
    crew->config.topology = &crew->topology;
    crew->config.buckets *= crew->options.nodes;
    return hipt_user_topology(crew->user, words, &crew->topology, NULL, 0) == HIPT_OK;
}

static bool table_open(struct crew *crew)
{
    const struct crew_options *o = &crew->options;
    static const unsigned shift[] = {12, 13, 14};

    if (hipt_user_create(o->grace, &crew->user) != HIPT_OK) {
        return false;
    }
    if (hipt_user_deliver(crew->user, o->delivery, hipt_cpu_interrupt) != HIPT_OK) {
        fprintf(stderr, "stress_%s: this system has not what --delivery wants\n", crew->program->letter);
        return false;
    }
    crew->ops = *hipt_user_ops(crew->user);
    crew->ops.gp_elapsed = o->no_grace ? elapsed_at_once : crew->ops.gp_elapsed;
    crew->range.count = crew->program->frames ? crew->program->frames : o->frames;
    hipt_config_init(&crew->config);
    crew->config.ops = &crew->ops;
    crew->config.buckets = o->buckets;
    crew->config.capacity_max = o->resizers ? UINT64_C(1) << CREW_RESIZE_BITS : 0;
    crew->config.asid_bits = crew->program->asid_bits;
    crew->config.va_bits = 32;
    crew->config.nsizes = o->sizes;
    memcpy(crew->config.page_shift, shift, sizeof(shift));
    crew->config.ranges = &crew->range;
    crew->config.nranges = 1;
    crew->config.version_bits = o->version_bits;
    crew->config.sequence_bits = o->sequence_bits;
    if (!nodes_open(crew)) {
        return false;
    }
    if (crew->program->prepare) {
        crew->program->prepare(crew);
    }
    return hipt_table_create(&crew->config, &crew->table) == HIPT_OK;
}

static void table_close(struct crew *crew)
{
    char text[200];

    if (!hipt_table_is_valid(crew->table, text, sizeof(text))) {
        crew_broken(crew, "the table is not valid at the end: %s", text);
    }
    hipt_table_destroy(crew->table);
    if (hipt_user_bytes(crew->user) != 0) {
        crew_broken(crew, "%zu bytes are not given back", hipt_user_bytes(crew->user));
    }
    hipt_user_destroy(crew->user);
}

struct hipt_asid crew_asid(struct crew *crew)
{
    struct hipt_asid asid = {0, 0};

    while (hipt_asid_alloc(crew->table, &asid) == HIPT_NO_ASID && !crew_is_over(crew)) {
        sched_yield();
    }
    return asid;
}

void crew_pin(struct crew *crew, uint64_t first, uint64_t count)
{
    uint64_t pfn;

    for (pfn = first; pfn < first + count; pfn++) {
        if (hipt_frame_pin(crew->table, (struct hipt_frame){.pfn = pfn, .swap = false}) != HIPT_OK) {
            crew_broken(crew, "frame %" PRIu64 " can not be pinned at the start", pfn);
        }
    }
}

/* --- what a person reads, and a program */

/* => whether every count that shows something is there. */
static bool counts_suffice(struct crew *crew)
{
    const struct crew_count *count = crew->program->count;
    unsigned i;

    for (i = 0; count[i].name; i++) {
        if (count[i].needed && crew_total(crew, i) == 0) {
            fprintf(stderr, "stress_%s: nothing was shown: %s 0\n", crew->program->letter, count[i].name);
            return false;
        }
    }
    return resizers_suffice(crew);
}

static void report_text(struct crew *crew, double seconds)
{
    const struct crew_count *count = crew->program->count;
    unsigned i;

    printf("%s: %s\n", crew->program->letter, crew->program->claim);
    for (i = 0; count[i].name; i++) {
        uint64_t total = crew_total(crew, i);

        printf("  %-40s %14" PRIu64, count[i].name, total);
        if (!count[i].level) {
            printf("  %12.0f/s", (double)total / seconds);
        }
        putchar('\n');
    }
    if (crew->options.resizers) {
        printf("  %-40s %14" PRIu64 "\n  %-40s %14" PRIu64 "\n  %-40s %14" PRIu64 "\n", "moves of the table",
               atomic_load(&crew->resizes), "moves refused: one is under way", atomic_load(&crew->refused),
               "resizers stopped, and the others went on", atomic_load(&crew->stops));
        printf("  %-40s %14" PRIu64 "\n", "spaces moved to other nodes", atomic_load(&crew->placed));
    }
    printf("  %-40s %14" PRIu64 "\n  %-40s %14.2f\n", "violations", atomic_load(&crew->violations), "seconds", seconds);
    printf("  seed %" PRIu64 "\nreplay: %s\n", crew->options.seed, replay_line);
}

static void report_json(struct crew *crew, double seconds)
{
    const struct crew_count *count = crew->program->count;
    unsigned i;

    printf("{\"program\": \"stress_%s\", \"seconds\": %.3f, \"threads\": %u, \"seed\": %" PRIu64 ", \"counts\": {",
           crew->program->letter, seconds, crew->options.threads, crew->options.seed);
    for (i = 0; count[i].name; i++) {
        printf("%s\"%s\": %" PRIu64, i ? ", " : "", count[i].name, crew_total(crew, i));
    }
    printf("}, \"moves\": %" PRIu64 ", \"stops\": %" PRIu64, atomic_load(&crew->resizes), atomic_load(&crew->stops));
    printf(", \"violations\": %" PRIu64 ", \"replay\": \"%s\"}\n", atomic_load(&crew->violations), replay_line);
}

static int crew_run(struct crew *crew)
{
    double seconds;
    bool enough;

    step_give_one_in(crew->options.give);
    step_yield_one_in(crew->options.yield);
    threads_run(crew);
    step_yield_one_in(0);
    if (crew->program->finish) {
        crew->program->finish(crew);
    }
    table_close(crew);
    seconds = (double)crew->nanoseconds / (double)NANOSECONDS;
    (crew->options.json ? report_json : report_text)(crew, seconds);
    enough = counts_suffice(crew);
    return atomic_load(&crew->violations) == 0 && enough ? 0 : 1;
}

int crew_main(const struct crew_program *program, int argc, char **argv)
{
    static struct crew crew;
    int status = 2;

    crew.program = program;
    if (!options_read(&crew, argc, argv, &status)) {
        return status;
    }
    replay_write(&crew);
    traps_catch();
    if (!table_open(&crew) || (program->start && !program->start(&crew))) {
        fprintf(stderr, "stress_%s: no memory, or the table's geometry is refused\n", program->letter);
        return 2;
    }
    return crew_run(&crew);
}
