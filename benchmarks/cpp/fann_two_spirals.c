/* Two spirals by FANN's cascade training, with the settings of examples/two_spirals.py as far as they map:
   8 candidates, symmetric sigmoids, a logistic output, quickprop or Rprop, at most 200 epochs a phase, patience 12,
   thresholds 1% and 3%, solved when no output is off by more than 0.4, at most 25 units.

   cc -O3 -march=native fann_two_spirals.c -lfann -lm -o fann_two_spirals && ./fann_two_spirals 20   (libfann-dev)  */
#include <fann.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { pairs = 97 };

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static struct fann_train_data *spirals(void) {
  struct fann_train_data *data = fann_create_train(2 * pairs, 2, 1);
  for (int i = 0; i < pairs; ++i) {
    const double angle = i * acos(-1.0) / 16, radius = 6.5 * (104 - i) / 104;
    for (int side = 0; side < 2; ++side) {
      const int row = i + side * pairs, sign = side ? -1 : 1;
      data->input[row][0] = (fann_type)(sign * radius * sin(angle));
      data->input[row][1] = (fann_type)(sign * radius * cos(angle));
      data->output[row][0] = (fann_type)(1 - side);
    }
  }
  return data;
}

static void run(struct fann_train_data *data, int trials, enum fann_train_enum rule, const char *name) {
  double total = 0, units = 0;
  int solved = 0;
  for (int trial = 0; trial < trials; ++trial) {
    srand((unsigned)trial);
    struct fann *net = fann_create_shortcut(2, 2, 1);
    enum fann_activationfunc_enum kinds[] = {FANN_SIGMOID_SYMMETRIC};
    fann_type steepness[] = {1};
    fann_set_training_algorithm(net, rule);
    fann_set_activation_function_output(net, FANN_SIGMOID);
    fann_set_activation_steepness_output(net, (fann_type)0.5);
    fann_set_train_error_function(net, FANN_ERRORFUNC_LINEAR);
    fann_set_cascade_activation_functions(net, kinds, 1);
    fann_set_cascade_activation_steepnesses(net, steepness, 1);
    fann_set_cascade_num_candidate_groups(net, 8);
    fann_set_cascade_output_change_fraction(net, 0.01f);
    fann_set_cascade_candidate_change_fraction(net, 0.03f);
    fann_set_cascade_output_stagnation_epochs(net, 12);
    fann_set_cascade_candidate_stagnation_epochs(net, 12);
    fann_set_cascade_max_out_epochs(net, 200);
    fann_set_cascade_max_cand_epochs(net, 200);
    fann_set_cascade_min_out_epochs(net, 0);
    fann_set_cascade_min_cand_epochs(net, 0);
    fann_set_train_stop_function(net, FANN_STOPFUNC_BIT);
    fann_set_bit_fail_limit(net, (fann_type)0.4);
    fann_randomize_weights(net, -1, 1);
    const double start = seconds();
    fann_cascadetrain_on_data(net, data, 25, 0, 0);
    total += seconds() - start;
    /* FANN takes one more step after the epoch that solved the task, so its own word is counted: it stopped early. */
    const int installed = (int)fann_get_total_neurons(net) - 4;
    solved += installed < 25;
    units += installed;
    fann_destroy(net);
  }
  printf("FANN, %-10s solved %d of %d, %.2f units, %.1f ms a trial\n", name, solved, trials, units / trials,
         1e3 * total / trials);
}

int main(int count, char **words) {
  const int trials = count > 1 ? atoi(words[1]) : 20;
  struct fann_train_data *data = spirals();
  run(data, trials, FANN_TRAIN_QUICKPROP, "quickprop");
  run(data, trials, FANN_TRAIN_RPROP, "Rprop");
  fann_destroy_train(data);
  return 0;
}
