package io.sparkgguf.job.stage;

import java.util.concurrent.atomic.LongAdder;

/**
 * What this process has done since it began, for {@link MetricsPlugin}: as an executor the items that it ran, as the driver
 * the stages. An embedded Spark is both.
 */
final class Telemetry {
    /** Items that were run here, those of attempts in vain too. */
    static final LongAdder ITEMS_RUN = new LongAdder();

    static final LongAdder BUSY_NANOS = new LongAdder();

    /** Items whose result arrived. */
    static final LongAdder ITEMS_DONE = new LongAdder();

    /** Items that were known from before. */
    static final LongAdder ITEMS_RECALLED = new LongAdder();

    static final LongAdder BYTES_DONE = new LongAdder();
    static final LongAdder TOKENS_DONE = new LongAdder();
    static final LongAdder STAGES_DONE = new LongAdder();
    static final LongAdder TASKS_RETRIED = new LongAdder();
    static final LongAdder EXECUTORS_LOST = new LongAdder();

    private static volatile Running running = new Running("", Progress.Unit.BYTES, 0, 0);

    private Telemetry() {}

    static void itemDone(long nanos) {
        ITEMS_RUN.increment();
        BUSY_NANOS.add(nanos);
    }

    /** The stage that runs, or the last one. */
    static Running stage() {
        return running;
    }

    /**
     * A stage begins.
     *
     * @param items that are to be run
     * @param work of these
     */
    static Running begin(String name, Progress.Unit unit, int items, long work) {
        Running begun = new Running(name, unit, items, work);
        running = begun;
        return begun;
    }

    /** How far a stage is. */
    static final class Running {
        private final String name;
        private final Progress.Unit unit;
        private final int items;
        private final long work;
        private final long begun = System.nanoTime();
        private int itemsDone;
        private long workDone;
        private long ended;

        private Running(String name, Progress.Unit unit, int items, long work) {
            this.name = name;
            this.unit = unit;
            this.items = items;
            this.work = work;
        }

        synchronized void advance(int moreItems, long moreWork) {
            itemsDone += moreItems;
            workDone += moreWork;
            ITEMS_DONE.add(moreItems);
            (unit == Progress.Unit.BYTES ? BYTES_DONE : TOKENS_DONE).add(moreWork);
        }

        synchronized void end() {
            ended = System.nanoTime();
            STAGES_DONE.increment();
        }

        String name() {
            return name;
        }

        int items() {
            return items;
        }

        synchronized int itemsDone() {
            return itemsDone;
        }

        synchronized double seconds() {
            return ((ended == 0 ? System.nanoTime() : ended) - begun) / 1e9;
        }

        /** Share of the work that is done. */
        synchronized double progress() {
            return work == 0 ? 1 : (double) workDone / work;
        }

        /** Bytes or tokens a second since the stage began; 0 when it counts the other. */
        synchronized double rate(Progress.Unit of) {
            return of == unit && workDone > 0 ? workDone / seconds() : 0;
        }

        /** Seconds that the rest takes at the pace so far; -1 while there is none. */
        synchronized double secondsLeft() {
            return workDone >= work ? 0 : workDone == 0 ? -1 : (work - workDone) / rate(unit);
        }
    }
}
