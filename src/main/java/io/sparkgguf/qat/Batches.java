package io.sparkgguf.qat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * Which sequences each step takes, and which are measured instead: the last ones are held out, the others come in an order
 * that follows from the seed, all of them before any comes again.
 */
public final class Batches {
    private final QatSettings settings;
    private final int training;
    private final int[] measured;
    private final List<Integer> order = new ArrayList<>();
    private Random random;
    private int next;
    private int step;

    /** @param sequences number of all, the held-out ones with them; more than these */
    public Batches(QatSettings settings, int sequences) {
        this.settings = settings;
        training = sequences - settings.heldOut();
        if (training < 1) {
            throw new IllegalArgumentException("Cannot train with " + sequences + " sequences, " + settings.heldOut()
                    + " of them held out: at least one must be left");
        }
        measured = new int[settings.heldOut()];
        for (int i = 0; i < measured.length; i++) {
            measured[i] = training + i;
        }
        begin();
    }

    private void begin() {
        random = new Random(settings.seed());
        order.clear();
        for (int i = 0; i < training; i++) {
            order.add(i);
        }
        next = training;
        step = 0;
    }

    /** The held-out sequences. */
    public int[] measured() {
        return measured.clone();
    }

    /** The sequences of a step, counted from 0. */
    public int[] of(int wanted) {
        if (wanted < step) {
            begin();
        }
        while (step < wanted) {
            draw();
        }
        return draw();
    }

    private int[] draw() {
        step++;
        int[] batch = new int[Math.min(settings.batch(), training)];
        for (int i = 0; i < batch.length; i++) {
            if (next == training) {
                Collections.shuffle(order, random);
                next = 0;
            }
            batch[i] = order.get(next++);
        }
        return batch;
    }
}
