package io.sparkgguf.job.work;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Which run a work folder belongs to, as a line of text in it.
 *
 * @param run unlike every other run's
 * @param host where it was started
 * @param process its id there
 * @param started when that process began, milliseconds since 1970; tells it from a later one of the same id
 */
public record Owner(String run, String host, long process, long started) {
    private static final Pattern FORM =
            Pattern.compile("run (\\S+) on (\\S+), process (\\d{1,18}) since (\\d{1,18})\\R.*", Pattern.DOTALL);

    /** A new run of this process. */
    public static Owner here() {
        ProcessHandle process = ProcessHandle.current();
        return new Owner(UUID.randomUUID().toString(), hostName(), process.pid(), started(process));
    }

    /** What {@link #text} wrote, or empty when it is something else: cut short, or older. */
    public static Optional<Owner> parse(String text) {
        Matcher match = FORM.matcher(text);
        return match.matches()
                ? Optional.of(new Owner(
                        match.group(1), match.group(2), Long.parseLong(match.group(3)), Long.parseLong(match.group(4))))
                : Optional.empty();
    }

    public String text() {
        return "run %s on %s, process %d since %d\n".formatted(run, host, process, started)
                + "Parts of an unfinished run; may be deleted when none is going on.\n";
    }

    /** Whether it is known to go on: its process lives on this machine, and is not the one that asks. */
    public boolean isAliveElsewhere() {
        return host.equals(hostName())
                && process != ProcessHandle.current().pid()
                && ProcessHandle.of(process)
                        .filter(found -> found.isAlive() && started(found) == started)
                        .isPresent();
    }

    /** Whether it is known to be over: it ran on this machine, and its process is gone. */
    boolean isDeadHere() {
        return host.equals(hostName())
                && ProcessHandle.of(process)
                        .filter(found -> found.isAlive() && started(found) == started)
                        .isEmpty();
    }

    private static long started(ProcessHandle process) {
        return process.info()
                .startInstant()
                .map(instant -> instant.toEpochMilli())
                .orElse(0L);
    }

    private static String hostName() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "localhost"; // a machine that does not know its own name
        }
    }
}
