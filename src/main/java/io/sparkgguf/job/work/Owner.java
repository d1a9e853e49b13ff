package io.sparkgguf.job.work;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.UUID;

/**
 * A run, and where it goes on.
 *
 * @param run unlike every other run's
 * @param host where it was started
 * @param process its id there
 * @param started when that process began, milliseconds since 1970; tells it from a later one of the same id
 */
public record Owner(String run, String host, long process, long started) {
    /** A new run of this process. */
    public static Owner here() {
        ProcessHandle process = ProcessHandle.current();
        return new Owner(name(), hostName(), process.pid(), started(process));
    }

    /** The time, for people, and what makes it unlike those of the same second. */
    private static String name() {
        return DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").format(LocalDateTime.now(ZoneOffset.UTC))
                + UUID.randomUUID().toString().substring(23);
    }

    /** For who finds it in a folder. */
    public String text() {
        return "run %s on %s, process %d since %d\n".formatted(run, host, process, started)
                + "Parts of an unfinished run, which the same command goes on from; may be deleted when none is going on.\n";
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
