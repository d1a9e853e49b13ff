package io.sparkgguf.job.stage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class MemoryGateTest {
    private static final long MEBIBYTE = 1 << 20;

    @Test
    void neverHoldsMoreThanThereIsAndLetsEveryoneThrough() throws Exception {
        long size = 100 * MEBIBYTE;
        MemoryGate gate = new MemoryGate(size);
        AtomicLong held = new AtomicLong();
        AtomicLong most = new AtomicLong();
        ExecutorService threads = Executors.newFixedThreadPool(8);
        Random random = new Random(5);
        try {
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < 300; i++) {
                long bytes = random.nextInt(3) == 0 ? 3 * size : (1 + random.nextInt(60)) * MEBIBYTE;
                all.add(threads.submit(() -> gate.holding(bytes, () -> {
                    long now = held.addAndGet(Math.min(size, bytes));
                    most.accumulateAndGet(now, Math::max);
                    Thread.yield();
                    return held.addAndGet(-Math.min(size, bytes));
                })));
            }
            for (Future<?> one : all) {
                one.get(30, TimeUnit.SECONDS);
            }
        } finally {
            threads.shutdownNow();
        }
        assertTrue(most.get() <= size, "at most " + most.get());
        assertEquals(0, gate.held());
    }

    @Test
    void aTaskThatIsCancelledWaitsNoMore() throws Exception {
        MemoryGate gate = new MemoryGate(10 * MEBIBYTE);
        AtomicReference<String> told = new AtomicReference<>();
        CountDownLatch begun = new CountDownLatch(1);
        Thread waiting = new Thread(() -> {
            begun.countDown();
            try {
                told.set(gate.holding(MEBIBYTE, () -> "let through"));
            } catch (IOException e) {
                told.set(e.getMessage());
            }
        });
        gate.holding(10 * MEBIBYTE, () -> {
            waiting.start();
            try {
                begun.await();
                waiting.interrupt();
                waiting.join();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            return null;
        });
        assertEquals("Cannot go on: the task was cancelled", told.get());
        assertEquals(0, gate.held());
    }
}
