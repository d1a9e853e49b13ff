package io.sparkgguf.job.work;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One run at a time writes a target. */
class LeaseTest {
    @TempDir
    private Path folder;

    private String target;
    private Path file;
    private final HandClock clock = new HandClock();
    private final Owner first = new Owner("first", "elsewhere", 7, 1);
    private final Owner second = new Owner("second", "elsewhere", 8, 1);

    /** Goes when it is told to. */
    private static final class HandClock extends Clock {
        private Instant now = Instant.parse("2026-05-04T03:02:01.5Z");

        void pass(Duration time) {
            now = now.plus(time);
        }

        @Override
        public Instant instant() {
            return now;
        }

        @Override
        public ZoneId getZone() {
            return ZoneOffset.UTC;
        }

        @Override
        public Clock withZone(ZoneId zone) {
            return this;
        }
    }

    @BeforeEach
    void name() {
        target = folder.resolve("x.gguf").toString();
        file = folder.resolve("x.gguf.lease");
    }

    private Lease take(Owner owner) throws IOException {
        return Lease.take(new LocalStorage(), target, owner, clock);
    }

    private String refusal(Owner owner) {
        return assertThrows(InvalidInputException.class, () -> take(owner)).getMessage();
    }

    @Test
    void isThereWhileItIsHeld() throws IOException {
        Lease lease = take(first);
        assertEquals(Set.of("x.gguf.lease"), Cli.names(folder));
        assertEquals(
                "Cannot write " + target + ": run first of host elsewhere, process 7, since 2026-05-04T03:02:01Z is"
                        + " writing it (" + file + ", which ends 2026-05-04T03:03:01Z unless it goes on)",
                refusal(second));
        lease.renew();
        lease.close();
        assertEquals(Set.of(), Cli.names(folder));
        take(second).close();
    }

    @Test
    void endsWhenItIsNotRenewed() throws IOException {
        Lease lost = take(first);
        clock.pass(Lease.VALID.minusMillis(1));
        refusal(second);
        lost.renew();
        clock.pass(Lease.VALID.minusMillis(1));
        assertTrue(refusal(second).contains("since 2026-05-04T03:02:01Z"), refusal(second));
        clock.pass(Duration.ofMillis(1));
        Lease taken = take(second);
        assertEquals(
                "Cannot publish " + target
                        + ": run second of host elsewhere, process 8, since 2026-05-04T03:04:01Z took"
                        + " it meanwhile (" + file + ")",
                assertThrows(IOException.class, lost::renew).getMessage());
        lost.close();
        taken.renew();
        taken.close();
        assertEquals(
                "Cannot publish " + target + ": the run was told to end",
                assertThrows(IOException.class, taken::renew).getMessage());
    }

    /** Nobody took it, so a run that was held up may go on. */
    @Test
    void isRenewedLate() throws IOException {
        Lease lease = take(first);
        clock.pass(Lease.VALID.multipliedBy(3));
        lease.renew();
        refusal(second);
        Files.delete(file);
        assertEquals(
                "Cannot publish " + target + ": its lease " + file + " is gone",
                assertThrows(IOException.class, lease::renew).getMessage());
    }

    @Test
    void endsWithItsProcess() throws Exception {
        Process process = new ProcessBuilder("sleep", "100").start();
        try {
            Owner other = new Owner(
                    "other",
                    Owner.here().host(),
                    process.pid(),
                    process.info().startInstant().orElseThrow().toEpochMilli());
            take(other);
            refusal(second);
            assertTrue(refusal(Owner.here()).contains("run other"), refusal(Owner.here()));
            process.destroyForcibly().waitFor();
            take(Owner.here()).close();
            take(new Owner(
                    "reborn", Owner.here().host(), ProcessHandle.current().pid(), 12345));
            take(second);
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void aDamagedOneHoldsForItsTimeToo() throws IOException {
        for (String text :
                List.of("", "{", "{\"run\": \"x\"}", "[]", "{\"run\":\"x\",\"process\":1,\"since\":\"soon\"}")) {
            Files.writeString(file, text);
            Files.setLastModifiedTime(file, FileTime.from(clock.instant()));
            String reason = refusal(second);
            assertTrue(reason.contains(": another run is writing it"), reason);
            clock.pass(Lease.VALID.plusMillis(1));
            take(second).close();
            assertFalse(Files.exists(file));
        }
    }

    @Test
    void oneOfManyGetsIt() throws Exception {
        for (int round = 0; round < 20; round++) {
            boolean expired = round % 2 == 1;
            if (expired) {
                take(first);
                clock.pass(Lease.VALID.multipliedBy(2));
            }
            ExecutorService pool = Executors.newFixedThreadPool(8);
            CountDownLatch start = new CountDownLatch(1);
            List<Future<Lease>> futures = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                Owner owner = new Owner("run-" + i, "elsewhere", i, 1);
                futures.add(pool.submit(() -> {
                    start.await();
                    try {
                        return take(owner);
                    } catch (InvalidInputException refused) {
                        return null;
                    }
                }));
            }
            start.countDown();
            List<Lease> holders = new ArrayList<>();
            for (Future<Lease> future : futures) {
                Lease lease = future.get();
                if (lease != null) {
                    holders.add(lease);
                }
            }
            pool.shutdown();
            int valid = 0;
            for (Lease lease :
                    holders) { // of several that took an expired one, all but one are told before they publish
                try {
                    lease.renew();
                    valid++;
                } catch (IOException lost) {
                    assertTrue(expired, lost.getMessage());
                }
            }
            assertEquals(1, valid, "round " + round);
            holders.forEach(Lease::close);
            assertEquals(Set.of(), Cli.names(folder), "round " + round);
        }
    }

    @Test
    void needsAPlaceThatCanBeWritten() {
        target = folder.resolve("no/x.gguf").toString();
        assertEquals("Cannot write " + target + ".lease: folder " + folder + "/no does not exist", refusal(first));
    }
}
