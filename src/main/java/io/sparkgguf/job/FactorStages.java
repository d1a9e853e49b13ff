package io.sparkgguf.job;

import io.sparkgguf.gptq.Factoring;
import io.sparkgguf.linalg.FactorRounds;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.storage.Storage;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.List;

/**
 * Factors the Hessians of a block, on the driver: small ones each by a task, all in the first stage; large ones in a stage for
 * each of {@link FactorRounds}'s rounds, several side by side in the same stages. What solvers read of the Hessians themselves
 * is written beside those rounds that have little to do.
 */
final class FactorStages {
    private final FactorTasks tasks;
    private final Storage storage;
    private final String name;
    private final Runner runner;

    /** Runs a stage, and remembers what its items came to. */
    interface Runner {
        List<FactorTasks.Done> run(String name, String description, List<FactorTasks.Item> items, FactorTasks tasks)
                throws IOException;

        /** What is known of an item from an earlier run; null when it is to be done. */
        FactorTasks.Done known(FactorTasks.Item item);

        /** Takes back what is known of items, because files that they wrote go. */
        void forget(List<FactorTasks.Item> items) throws IOException;

        /** What is known holds from now on without the files of a folder, which go. */
        void release(String folder) throws IOException;
    }

    /** @param name of the stages, to which the round is added */
    FactorStages(HessianTasks hessians, String name, Runner runner) {
        this.tasks = new FactorTasks(hessians);
        this.storage = hessians.storage();
        this.name = name;
        this.runner = runner;
    }

    /** Whether all are factored, and nothing was lost of it. */
    boolean isDone(List<HessianTasks.FactorItem> hessians) {
        return hessians.stream().map(Course::new).allMatch(Course::isDone);
    }

    /** Factors all of them; the results are in their order. */
    List<HessianTasks.Factored> run(List<HessianTasks.FactorItem> hessians) throws IOException {
        List<Course> courses = hessians.stream().map(Course::new).toList();
        for (Course course : courses) {
            course.begin();
        }
        for (int round = 0; ; round++) {
            List<FactorTasks.Item> items = new ArrayList<>();
            List<Course> owners = new ArrayList<>();
            for (Course course : courses) {
                for (FactorTasks.Item item : course.next()) {
                    items.add(item);
                    owners.add(course);
                }
            }
            if (items.isEmpty()) {
                return courses.stream().map(Course::factored).toList();
            }
            String stage = round == 0 ? name : name + ", round " + round;
            List<FactorTasks.Done> done = runner.run(stage, stage + ": " + describe(items), items, tasks);
            for (int i = 0; i < done.size(); i++) {
                owners.get(i).take(done.get(i));
            }
        }
    }

    private static String describe(Collection<FactorTasks.Item> items) {
        return String.join(
                ", ",
                items.stream()
                        .map(item -> item.of().input() + " "
                                + (item.step() == null
                                        ? item.what()
                                        : item.step().kind()))
                        .distinct()
                        .toList());
    }

    /** The way of one Hessian. */
    private final class Course {
        private final HessianTasks.FactorItem of;
        private final boolean spread;
        private final Deque<List<FactorTasks.Item>> rounds = new ArrayDeque<>();
        /** Files of rows that wait for a round with little to do. */
        private final Deque<FactorTasks.Item> panels = new ArrayDeque<>();

        private FactorTasks.What before;
        private int raised;
        private String failure;
        private boolean empty;
        private long nanos;
        private HessianTasks.Factored factored;

        Course(HessianTasks.FactorItem of) {
            this.of = of;
            spread = of.solved() && tasks.isSpread(of.grid());
        }

        /** Begins, where an earlier run may have ended. */
        void begin() throws IOException {
            if (!spread) {
                rounds.add(List.of(item(FactorTasks.What.WHOLE, 0)));
                return;
            }
            if (isDone()) {
                take(runner.known(item(FactorTasks.What.SUMMARY, 0)));
                return;
            }
            for (int attempt = 0; attempt <= Factoring.RAISES; attempt++) {
                raised = attempt;
                if (areKnown(steps(FactorRounds.Kind.INVERSE))) {
                    panels.addAll(hessianPanels());
                    end();
                    return;
                }
            }
            raised = 0;
            rounds.add(List.of(item(FactorTasks.What.DIAGONAL, 0)));
        }

        boolean isDone() {
            if (!spread) {
                return areKnown(List.of(item(FactorTasks.What.WHOLE, 0)));
            }
            FactorTasks.Done summary = runner.known(item(FactorTasks.What.SUMMARY, 0));
            return summary != null
                    && (summary.factored().fallback() != null
                            || areKnown(items(FactorTasks.What.FACTOR_PANELS, parts())) && areKnown(hessianPanels()));
        }

        private boolean areKnown(List<FactorTasks.Item> items) {
            return items.stream().allMatch(item -> runner.known(item) != null);
        }

        /** All steps of the attempt, or those of one kind. */
        private List<FactorTasks.Item> steps(FactorRounds.Kind kind) {
            return tasks.rounds(of.grid()).rounds().stream()
                    .flatMap(List::stream)
                    .filter(step -> kind == null || step.kind() == kind)
                    .map(this::item)
                    .toList();
        }

        private FactorTasks.Item item(FactorRounds.Step step) {
            return new FactorTasks.Item(of, FactorTasks.What.STEP, 0, raised, step, null);
        }

        private FactorTasks.Item item(FactorTasks.What what, int index) {
            return new FactorTasks.Item(of, what, index, raised, null, null);
        }

        private List<FactorTasks.Item> items(FactorTasks.What what, int count) {
            List<FactorTasks.Item> items = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                items.add(item(what, i));
            }
            return items;
        }

        /** What can be done next; nothing once all is done. */
        List<FactorTasks.Item> next() throws IOException {
            if (before != null) {
                follow();
            }
            List<FactorTasks.Item> items = rounds.isEmpty() ? List.of() : rounds.poll();
            before = items.isEmpty() ? null : items.get(0).what();
            return items;
        }

        void take(FactorTasks.Done done) {
            nanos += done.nanos();
            empty |= done.empty();
            if (done.failure() != null) {
                failure = done.failure();
            }
            if (done.factored() != null) {
                factored = done.factored();
            }
        }

        /** With the time of all its tasks. */
        HessianTasks.Factored factored() {
            return factored.after(nanos);
        }

        /** What follows from the round that was done. */
        private void follow() throws IOException {
            LinearInput input = of.input();
            int side = of.grid().side();
            switch (before) {
                case DIAGONAL -> {
                    if (empty) {
                        rounds.add(List.of(item(FactorTasks.What.SUMMARY, 0)));
                        return;
                    }
                    if (!tasks.isOrdered()) {
                        List<FactorTasks.Item> ordered = items(FactorTasks.What.ORDERED, side);
                        if (!areKnown(ordered)) {
                            storage.createFolder(tasks.rowsFolder(input));
                            storage.createFolder(tasks.orderedFolder(input));
                            rounds.add(items(FactorTasks.What.ROWS, side));
                        }
                        rounds.add(ordered);
                    }
                    panels.addAll(hessianPanels());
                    attempt();
                }
                case ORDERED -> {
                    runner.forget(items(FactorTasks.What.ROWS, side));
                    storage.delete(tasks.rowsFolder(input));
                }
                case STEP -> {
                    if (failure != null) {
                        fail();
                    } else if (rounds.isEmpty()) {
                        end();
                    }
                }
                default -> {}
            }
        }

        private void attempt() throws IOException {
            storage.createFolder(tasks.aheadFolder(of.input(), raised));
            storage.createFolder(tasks.upperFolder(of.input(), raised));
            List<List<FactorRounds.Step>> steps = tasks.rounds(of.grid()).rounds();
            long narrow = steps.stream().filter(round -> round.size() == 1).count();
            long panelsAtOnce = (panels.size() + narrow - 1) / Math.max(1, narrow);
            for (List<FactorRounds.Step> round : steps) {
                List<FactorTasks.Item> items = new ArrayList<>();
                for (FactorRounds.Step step : round) {
                    items.add(item(step));
                }
                for (int i = 0; round.size() == 1 && i < panelsAtOnce && !panels.isEmpty(); i++) {
                    items.add(panels.poll());
                }
                rounds.add(items);
            }
        }

        /** Goes on with more damping, or gives up. */
        private void fail() throws IOException {
            for (List<FactorTasks.Item> round : rounds) {
                round.stream()
                        .filter(item -> item.what() != FactorTasks.What.STEP)
                        .forEach(panels::add);
            }
            rounds.clear();
            String ahead = tasks.aheadFolder(of.input(), raised);
            String upper = tasks.upperFolder(of.input(), raised);
            runner.release(ahead);
            runner.release(upper);
            storage.delete(ahead);
            storage.delete(upper);
            if (raised == Factoring.RAISES) {
                runner.release(tasks.orderedFolder(of.input()));
                storage.delete(tasks.orderedFolder(of.input()));
                rounds.add(List.of(new FactorTasks.Item(of, FactorTasks.What.SUMMARY, 0, raised, null, failure)));
                return;
            }
            raised++;
            failure = null;
            attempt();
        }

        /** There is a factor: what solvers read of it. What it was made from goes; should it be lost, all is done again. */
        private void end() throws IOException {
            List<FactorTasks.Item> made = new ArrayList<>(steps(null));
            made.removeAll(steps(FactorRounds.Kind.INVERSE));
            made.addAll(items(FactorTasks.What.ORDERED, of.grid().side()));
            runner.forget(made);
            storage.delete(tasks.rowsFolder(of.input()));
            storage.delete(tasks.orderedFolder(of.input()));
            storage.delete(tasks.aheadFolder(of.input(), raised));
            storage.delete(tasks.upperFolder(of.input(), raised));
            List<FactorTasks.Item> last = new ArrayList<>();
            last.add(item(FactorTasks.What.SUMMARY, 0));
            last.addAll(items(FactorTasks.What.FACTOR_PANELS, parts()));
            last.addAll(panels);
            rounds.add(last);
        }

        private int parts() {
            return FactorTasks.parts(of.grid());
        }

        private List<FactorTasks.Item> hessianPanels() {
            List<FactorTasks.Item> items = new ArrayList<>(items(FactorTasks.What.TRAINING_PANELS, parts()));
            if (of.heldOut()) {
                items.addAll(items(FactorTasks.What.HELD_OUT_PANELS, parts()));
            }
            if (of.paired()) {
                items.addAll(items(FactorTasks.What.TRAINING_DELTA_PANELS, parts()));
                if (of.heldOut()) {
                    items.addAll(items(FactorTasks.What.HELD_OUT_DELTA_PANELS, parts()));
                }
            }
            return items;
        }
    }
}
