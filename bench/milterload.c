/* milterload - pass messages through a milter on several connections at once and say how fast that went.
 *
 *     milterload SOCKET CONNECTIONS MESSAGES PER_SESSION FILE [-c CLIENT] [-e HELO] [-f SENDER] [-l LOGIN] [-w WORD]
 *                [-i IDLE]
 *
 * Speaks version 6 as Postfix does: OPTNEG, and then only the steps that the milter has not negotiated away, waiting for
 * the replies that it sends; ABORT between the messages of a session, QUIT at its end. FILE is the message (RFC 5322,
 * LF or CRLF). IDLE sessions more are open all the time and have got as far as RCPT. One line of JSON: messages a second,
 * latency of a message, how many were not let through or got no field with WORD in it, and the flags that the milter asked
 * for. Exit 1 where the milter hangs up.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ACTIONS = 0x1ff, STEPS = 0x1fffff }; /* all that there are */
enum { NO_CONNECT = 0x1, NO_HELO = 0x2, NO_MAIL = 0x4, NO_RCPT = 0x8, NO_BODY = 0x10, NO_HEADER = 0x20, NO_EOH = 0x40,
       NO_DATA = 0x200, LEADSPC = 0x100000 };
enum { SILENT_CONNECT = 0x1000, SILENT_HELO = 0x2000, SILENT_MAIL = 0x4000, SILENT_RCPT = 0x8000, SILENT_DATA = 0x10000,
       SILENT_HEADER = 0x80, SILENT_EOH = 0x40000, SILENT_BODY = 0x80000 };
enum { CHUNK = 65535, MAX_FIELDS = 1000 };

static const char *path, *client = "192.0.2.1", *helo = "mx.example.org", *sender = "a@example.org", *login, *word;
static int messages, per_session, fields;
static const char *names[MAX_FIELDS], *values[MAX_FIELDS];
static char *body;
static size_t body_bytes;
static atomic_int next, refused;
static atomic_uint flags;
static double *took;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "milterload: %s: %s\n", what, detail);
    exit(1);
}

struct peer {
    int fd;
    uint32_t steps;
    int found; /* a field with the word */
    size_t out_bytes, in_used;
    char out[4 * CHUNK], in[16384];
};

static void flush(struct peer *peer)
{
    char *data = peer->out;
    for (ssize_t sent; peer->out_bytes; data += sent, peer->out_bytes -= sent)
        if ((sent = send(peer->fd, data, peer->out_bytes, MSG_NOSIGNAL)) <= 0)
            fail("send", "the milter has hung up");
}

static void packet(struct peer *peer, char command, const void *data, size_t length)
{
    uint32_t size = htonl(length + 1);
    if (peer->out_bytes + length + 5 > sizeof peer->out)
        flush(peer);
    char *at = peer->out + peer->out_bytes;
    memcpy(at, &size, 4);
    at[4] = command;
    memcpy(at + 5, data, length);
    peer->out_bytes += length + 5;
}

/* Words, each ended by NUL, behind *prefix* bytes. */
static void words(struct peer *peer, char command, const char *prefix, size_t prefix_bytes, const char **list)
{
    char data[8192];
    size_t length = prefix_bytes;
    memcpy(data, prefix, prefix_bytes);
    for (; *list; list++) {
        size_t size = strlen(*list) + 1;
        if (length + size > sizeof data)
            fail("a word is too long", *list);
        memcpy(data + length, *list, size);
        length += size;
    }
    packet(peer, command, data, length);
}

/* The command of the next packet; the data of an OPTNEG is looked at. */
static char receive(struct peer *peer)
{
    for (;;) {
        uint32_t length = 0;
        if (peer->in_used >= 4)
            length = ntohl(*(uint32_t *)peer->in);
        if (length > sizeof peer->in - 4)
            fail("recv", "a packet is too long");
        if (length && peer->in_used >= 4 + length) {
            char command = peer->in[4];
            if (command == 'O' && length >= 13) {
                memcpy(&peer->steps, peer->in + 13, 4);
                peer->steps = ntohl(peer->steps);
            }
            if (word && strchr("hi", command) && memmem(peer->in + 4, length, word, strlen(word)))
                peer->found = 1;
            memmove(peer->in, peer->in + 4 + length, peer->in_used -= 4 + length);
            return command;
        }
        ssize_t got = recv(peer->fd, peer->in + peer->in_used, sizeof peer->in - peer->in_used, 0);
        if (got <= 0)
            fail("recv", "the milter has hung up");
        peer->in_used += got;
    }
}

/* The reply that ends a step, behind edits and signs of life. */
static char reply(struct peer *peer)
{
    flush(peer);
    for (;;) {
        char command = receive(peer);
        if (strchr("cartdys4f", command))
            return command;
    }
}

/* Whether the milter goes on listening. */
static int go_on(struct peer *peer, uint32_t silent)
{
    return peer->steps & silent || reply(peer) == 'c';
}

static void begin(struct peer *peer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    uint32_t offer[] = {htonl(6), htonl(ACTIONS), htonl(STEPS)};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    peer->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    peer->out_bytes = peer->in_used = 0;
    if (connect(peer->fd, (struct sockaddr *)&address, sizeof address))
        fail("connect", path);
    packet(peer, 'O', offer, sizeof offer);
    flush(peer);
    if (receive(peer) != 'O')
        fail("OPTNEG", "no answer");
    flags = peer->steps;
    if (!(peer->steps & NO_CONNECT)) {
        char port[512];
        int host = snprintf(port, sizeof port - 3, "%s", helo) + 1;
        memcpy(port + host, "4\x10\x92", 3);
        words(peer, 'D', "C", 1, (const char *[]){"j", "mx.bench.example", "{daemon_name}", "mx.bench.example",
                                                  "{client_ptr}", helo, "{client_port}", "4242", NULL});
        words(peer, 'C', port, host + 3, (const char *[]){client, NULL});
        go_on(peer, SILENT_CONNECT);
    }
    if (!(peer->steps & NO_HELO)) {
        words(peer, 'H', "", 0, (const char *[]){helo, NULL});
        go_on(peer, SILENT_HELO);
    }
}

static int envelope(struct peer *peer, const char *id)
{
    char path_of[512];
    snprintf(path_of, sizeof path_of, "<%s>", sender);
    words(peer, 'D', "M", 1, (const char *[]){"{mail_addr}", sender, login ? "{auth_type}" : NULL, "PLAIN", "{auth_authen}", login, NULL});
    if (!(peer->steps & NO_MAIL)) {
        words(peer, 'M', "", 0, (const char *[]){path_of, "SIZE=5000", NULL});
        if (!go_on(peer, SILENT_MAIL))
            return 0;
    }
    if (!(peer->steps & NO_RCPT)) {
        words(peer, 'D', "R", 1, (const char *[]){"i", id, "{rcpt_addr}", "b@bench.example", NULL});
        words(peer, 'R', "", 0, (const char *[]){"<b@bench.example>", NULL});
        if (!go_on(peer, SILENT_RCPT))
            return 0;
    }
    return 1;
}

/* The final answer. */
static char message(struct peer *peer, int number)
{
    char id[32];
    snprintf(id, sizeof id, "4X%08X", number);
    if (!envelope(peer, id))
        return 'r';
    if (!(peer->steps & NO_DATA)) {
        packet(peer, 'T', "", 0);
        if (!go_on(peer, SILENT_DATA))
            return 'r';
    }
    int skipped = peer->steps & LEADSPC ? 0 : 1;
    for (int n = 0; n < fields && !(peer->steps & NO_HEADER); n++) {
        words(peer, 'L', "", 0, (const char *[]){names[n], values[n] + (*values[n] == ' ' ? skipped : 0), NULL});
        if (!go_on(peer, SILENT_HEADER))
            return 'r';
    }
    if (!(peer->steps & NO_EOH)) {
        packet(peer, 'N', "", 0);
        if (!go_on(peer, SILENT_EOH))
            return 'r';
    }
    for (size_t at = 0; at < body_bytes && !(peer->steps & NO_BODY); at += CHUNK) {
        packet(peer, 'B', body + at, body_bytes - at < CHUNK ? body_bytes - at : CHUNK);
        if (!go_on(peer, SILENT_BODY))
            break;
    }
    words(peer, 'D', "E", 1, (const char *[]){"i", id, NULL});
    packet(peer, 'E', "", 0);
    return reply(peer);
}

static void end(struct peer *peer)
{
    packet(peer, 'Q', "", 0);
    flush(peer);
    close(peer->fd);
}

static void *pass(void *unused)
{
    struct peer *peer = calloc(1, sizeof *peer);
    int number = next++;
    (void)unused;
    while (number < messages) {
        double started = now();
        begin(peer);
        for (int left = per_session; left && number < messages; left--, number = next++, started = now()) {
            peer->found = !word;
            char answer = message(peer, number);
            refused += !peer->found || (answer != 'c' && answer != 'a');
            packet(peer, 'A', "", 0);
            took[number] = now() - started;
        }
        end(peer);
    }
    return NULL;
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* The fields and the body of *name*; a field's lines are joined by LF, those of the body ended by CRLF. */
static void read_message(const char *name)
{
    FILE *file = fopen(name, "rb");
    char *line = NULL, *text = NULL;
    size_t size = 0, text_bytes = 0;
    ssize_t got;
    if (!file)
        fail("cannot read", name);
    FILE *whole = open_memstream(&text, &text_bytes);
    while ((got = getline(&line, &size, file)) > 0) {
        while (got && (line[got - 1] == '\n' || line[got - 1] == '\r'))
            got--;
        fprintf(whole, "%.*s\r\n", (int)got, line);
    }
    fclose(whole), fclose(file);
    char *at = text;
    while (strncmp(at, "\r\n", 2) && fields < MAX_FIELDS) {
        char *colon = strchr(at, ':'), *stop = strstr(at, "\r\n");
        while (stop[2] == ' ' || stop[2] == '\t')
            stop = strstr(stop + 2, "\r\n");
        names[fields] = strndup(at, colon - at);
        char *value = strndup(colon + 1, stop - colon - 1), *to = value;
        for (char *from = value; *from; from++)
            if (*from != '\r')
                *to++ = *from;
        *to = 0;
        values[fields++] = value;
        at = stop + 2;
    }
    body = at + 2;
    body_bytes = text + text_bytes - body;
}

int main(int count, char **argv)
{
    int idle = 0;
    for (int option; (option = getopt(count, argv, "c:e:f:l:w:i:")) != -1;)
        switch (option) {
        case 'c': client = optarg; break;
        case 'e': helo = optarg; break;
        case 'f': sender = optarg; break;
        case 'l': login = optarg; break;
        case 'w': word = optarg; break;
        case 'i': idle = atoi(optarg); break;
        default: return 2;
        }
    if (count - optind != 5)
        fail("usage", "milterload SOCKET CONNECTIONS MESSAGES PER_SESSION FILE [-c CLIENT] [-e HELO] ...");
    int connections = atoi(argv[optind + 1]);
    path = argv[optind], messages = atoi(argv[optind + 2]), per_session = atoi(argv[optind + 3]);
    read_message(argv[optind + 4]);
    took = calloc(messages, sizeof *took);
    for (int n = 0; n < idle; n++) {
        struct peer *peer = calloc(1, sizeof *peer);
        begin(peer), envelope(peer, "4XIDLE"), flush(peer);
    }
    pthread_t threads[connections];
    double started = now();
    for (int n = 0; n < connections; n++)
        pthread_create(&threads[n], NULL, pass, NULL);
    for (int n = 0; n < connections; n++)
        pthread_join(threads[n], NULL);
    double seconds = now() - started;
    qsort(took, messages, sizeof *took, compare);
    printf("{\"msg_per_s\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"refused\": %d, \"flags\": %u}\n",
           messages / seconds, took[messages / 2] * 1e3, took[(int)(messages * 0.99)] * 1e3, refused, flags);
    return 0;
}
