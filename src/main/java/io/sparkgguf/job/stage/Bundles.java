package io.sparkgguf.job.stage;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.IntToDoubleFunction;

/** Which items travel together: small ones in bundles, large ones alone, the costliest first. */
final class Bundles {
    private Bundles() {}

    /**
     * Cuts items into loads of tasks; those below an even share of the cost go together.
     *
     * @param items indices of the items
     * @param cost of an item
     * @param wanted how many bundles would be right if all items were small
     * @return items by bundle, each once
     */
    static int[][] of(int[] items, IntToDoubleFunction cost, int wanted) {
        double share = Arrays.stream(items).mapToDouble(cost).sum() / Math.max(1, wanted);
        List<Integer> order =
                new ArrayList<>(Arrays.stream(items).sorted().boxed().toList());
        order.sort(Comparator.comparingDouble(item -> -cost.applyAsDouble(item))); // stable: equals stay in order
        List<int[]> bundles = new ArrayList<>();
        int from = 0;
        while (from < order.size()) {
            double sum = cost.applyAsDouble(order.get(from));
            int to = from + 1;
            while (to < order.size() && sum + cost.applyAsDouble(order.get(to)) <= share) {
                sum += cost.applyAsDouble(order.get(to));
                to++;
            }
            bundles.add(order.subList(from, to).stream().mapToInt(item -> item).toArray());
            from = to;
        }
        return bundles.toArray(int[][]::new);
    }
}
